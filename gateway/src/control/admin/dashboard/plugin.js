// The inside of a plugin's row: its cost over time, its uses, what became of its versions, and orders.

import { part } from "./api.js";
import { chart } from "./charts.js";
import { cell, element, instead, list, say, titled } from "./dom.js";
import { bytes, count, duration, moment, percent, plural, rate } from "./format.js";
import { orderButton } from "./orders.js";
import { growth, points, quantile, span } from "./series.js";

const NOW = 10;
// What a picture can show apart.
const LINES = ["accent", "plain dashed", "plain dotted", "warn"];
const HAPPENED = ["swap", "swap refused", "rolled back", "cannot roll back", "plugin disabled", "plugin enabled"];

const USES = [
  ["Use and hook", ""],
  ["Calls/s", "number"],
  ["Mean, all", "number"],
  ["99 %, all", "number"],
  ["CPU", "number"],
  ["Failed, by kind", ""],
  ["Fallbacks", "number"],
  ["Memory, peak", "number"],
];

export function inside(name) {
  const facts = element("p", { class: "facts" });
  const charts = element("div");
  const uses = element("tbody");
  const happened = element("ol", { class: "happened", reversed: true });
  const nothing = element("p", { class: "faint" }, "Its version has been the same since the gateway began.");
  const orders = ordersOf(name);
  const node = element(
    "div",
    { class: "opened" },
    facts,
    element("div", { class: "orders" }, ...orders.buttons),
    charts,
    element("h3", {}, "Uses"),
    table(name, uses),
    element("h3", {}, "Swap history"),
    nothing,
    happened,
  );
  let drawn = null;
  return {
    node,
    update({ plugin, uses: members, history }) {
      say(facts, described(plugin));
      orders.update(plugin);
      drawn = costs(charts, drawn, members);
      list(uses, members.flatMap(hooks), (item) => `${item.use.name} ${item.hook.hook}`, useRow);
      const events = mine(history, name);
      nothing.hidden = events.length > 0;
      list(happened, events, (event) => event.id, eventRow);
    },
  };
}

function described(plugin) {
  const { limits } = plugin;
  return [
    plugin.file ?? "brought by the gateway",
    `hooks: ${plugin.hooks.join(", ")}`,
    `${plural(plugin.swaps, "swap")}, ${count(plugin.swaps_refused)} refused, ${count(plugin.rollbacks)} taken back`,
    `limits: ${duration(limits.deadline)} a call, ${bytes(limits.memory_bytes)}, ${percent(limits.worker_share)} of a worker`,
  ].join(" \u00b7 ");
}

function ordersOf(name) {
  const path = `plugins/${part(name)}`;
  let plugin = null;
  const back = orderButton({
    label: "Roll back",
    title: `Roll back ${name}`,
    path: `${path}/roll-back`,
    warning: () => `${name} goes back from ${versionOf(plugin.live)} to ${versionOf(plugin.before)}. No request is lost.`,
    done: () => `${name} serves as ${versionOf(plugin.before)} again.`,
  });
  const disable = orderButton({
    label: "Disable",
    title: `Disable ${name}`,
    path: `${path}/disable`,
    warning: `Exchanges go on without ${name}, over reloads too, until it is enabled or the gateway restarts. Where its `
      + "on-error is \u201cfail\u201d they get 503.",
    done: `${name} is disabled.`,
  });
  const enable = orderButton({ label: "Enable", title: `Enable ${name}`, path: `${path}/enable`, done: `${name} serves again.` });
  const look = orderButton({
    label: "Look at the file",
    title: `Look at the file of ${name}`,
    path: `${path}/swap`,
    done: `the file of ${name} is what serves.`,
  });
  const before = element("span", { class: "faint" });
  return {
    buttons: [back, disable, enable, look, before],
    update(told) {
      plugin = told;
      const [here, gone] = told.disabled ? [enable, disable] : [disable, enable];
      instead(here, gone);
      if (told.before) back.hidden = false;
      else instead(here, back);
      look.hidden = told.file === null;
      say(before, told.before ? `The version before was ${versionOf(told.before)}.` : "There is no version to roll back to.");
    },
  };
}

function versionOf({ version, digest }) {
  return `${version} (${digest})`;
}

/** The chart of what a call costs, a line for each use; made anew when there are others. */
function costs(place, drawn, members) {
  const names = members.slice(0, LINES.length).map((use) => use.name);
  const key = JSON.stringify(names);
  if (drawn?.key !== key) {
    const lines = names.map((name, index) => ({ name, kind: LINES[index] }));
    drawn = { key, chart: chart({ title: "Cost per call", lines, format: duration }) };
    place.replaceChildren(drawn.chart.node);
  }
  const of = (sample, name, figure) => sample.uses[name]?.[figure] ?? 0;
  const mean = (name, before, after) => {
    const timed = of(after, name, "timed") - of(before, name, "timed");
    return timed > 0 ? (of(after, name, "timed_duration") - of(before, name, "timed_duration")) / timed : null;
  };
  drawn.chart.draw(points((_, after, smooth) => names.map((name) => mean(name, smooth, after))));
  return drawn;
}

function table(name, body) {
  const head = USES.map(([title, kind]) => element("th", { scope: "col", class: kind || null }, title));
  const caption = element("caption", { class: "unseen" }, `Uses of ${name}`);
  const made = element("table", { class: "stack" }, caption, element("thead", {}, element("tr", {}, ...head)), body);
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Table of the uses of ${name}` }, made);
}

function hooks(use) {
  return use.hooks.map((hook, index) => ({ use, hook, isFirst: index === 0 }));
}

/** A row for each hook of a use; what is not told by hook stands in the first one. */
function useRow({ use, hook }) {
  const name = element("span", { class: "name" }, use.name);
  const cells = USES.slice(1).map(([, kind]) => cell(kind));
  const head = element("th", { scope: "row" }, name, element("span", { class: "faint small" }, hook.hook));
  return {
    node: titled(element("tr", {}, head, ...cells), USES.map(([title]) => title)),
    update(item) {
      const texts = [...ofHook(item), ...ofUse(item)];
      texts.forEach((text, index) => say(cells[index], text));
    },
  };
}

function ofHook({ use, hook }) {
  const of = (sample) => sample.uses[use.name]?.hooks?.[hook.hook];
  const lately = span(NOW, (sample) => of(sample) !== undefined);
  const perSecond = (figure) => {
    const grown = lately && growth(of(lately.now)[figure], of(lately.before)[figure]);
    return grown === null ? null : grown / lately.seconds;
  };
  const classes = hook.timed_durations;
  const most = quantile(classes.map((one) => one.count), 0.99, classes.map((one) => one.to));
  return [
    rate(perSecond("calls")),
    duration(hook.timed > 0 ? hook.timed_duration / hook.timed : null),
    duration(most),
    percent(perSecond("cpu")),
  ];
}

function ofUse({ use, hook, isFirst }) {
  const fallbacks = count(use.fallbacks[hook.hook] ?? 0);
  if (!isFirst) return ["", fallbacks, ""];
  const failed = Object.entries(use.failures).filter(([, times]) => times > 0);
  if (use.overridden > 0) failed.push(["overridden", use.overridden]);
  const kinds = failed.map(([kind, times]) => `${kind.replaceAll("_", " ")} ${count(times)}`);
  return [kinds.join(", ") || "none", fallbacks, `${bytes(use.memory_bytes)}, ${bytes(use.memory_peak_bytes)}`];
}

/** What happened to the versions of a plugin, the newest first; a swap of several uses is one. */
function mine(history, name) {
  const events = history.filter((event) => event.fields.plugin === name && HAPPENED.includes(event.message));
  const isSame = (one, other) => one.message === other.message && one.fields.new === other.fields.new && other.at - one.at < 1;
  return events.filter((event, index) => index === 0 || !isSame(events[index - 1], event)).reverse();
}

function eventRow({ at, message, fields }) {
  const versions = fields.old ? `${fields.old} \u2192 ${fields.new}` : (fields.digest ?? "");
  const said = [fields.version ?? "", versions, fields.reason ?? ""].filter((text) => text !== "").join(" \u00b7 ");
  const time = element("time", { datetime: new Date(at * 1000).toISOString() }, moment(at));
  return { node: element("li", {}, time, element("b", {}, message), element("span", {}, said)) };
}
