// Plugins: which version is live, what it costs, and whether it fails. A row opens to what there is besides.

import { sparkline } from "./charts.js";
import { disclosure } from "./disclosure.js";
import { cell, element, find, list, say, sign } from "./dom.js";
import { NOTHING, bytes, count, duration, rate } from "./format.js";
import { inside } from "./plugin.js";
import { growth, points, span, sum } from "./series.js";

// Costs are of so many seconds, failures of a minute.
const NOW = 10;
const MINUTE = 60;

const TITLES = ["Plugin", "State", "Version", "Calls/s", "Cost per call", "Failures, 1 min / all", "Fallbacks, 1 min / all", "Memory"];

export function show(known) {
  const { state } = known;
  const items = state.plugins.map((plugin) => ({ plugin, uses: usesOf(state, plugin), history: state.history.events }));
  list(find("plugin-table"), items, (item) => item.plugin.name, make);
}

function usesOf(state, plugin) {
  return state.uses.filter((use) => use.plugin === plugin.name);
}

function make({ plugin: { name } }) {
  const condition = sign();
  const version = element("span", { class: "name" });
  const digest = element("code", { class: "faint small" });
  const [calls, failures, fallbacks, memory] = ["number", "number", "number", "number roomy"].map(cell);
  const [cost, line] = [element("span", { class: "value" }), sparkline()];
  let open = null;
  let latest = null;
  const row = disclosure({
    label: name,
    titles: TITLES,
    cells: [
      element("td", {}, condition.node),
      element("td", {}, version, digest),
      calls,
      element("td", { class: "number cost" }, line.node, cost),
      failures,
      fallbacks,
      memory,
    ],
    fill: () => {
      open = inside(name);
      return open.node;
    },
    turned: (isOpen) => isOpen && open.update(latest),
  });
  const summary = element("span", { class: "faint small" });
  row.head.append(summary);
  return {
    node: row.node,
    update(item) {
      latest = item;
      const { plugin, uses } = item;
      const names = uses.map((use) => use.name);
      say(summary, plugin.summary);
      say(version, plugin.live.version);
      say(digest, plugin.live.digest);
      const lately = grown(NOW, names);
      const minute = grown(MINUTE, names);
      condition.show(...standing(plugin, minute));
      say(calls, rate(lately && lately.calls / lately.seconds));
      say(cost, duration(lately?.timed ? lately.timed_duration / lately.timed : null));
      line.draw(points((_, after, smooth) => [perCall(names, smooth, after)]));
      say(failures, lifetime(minute?.failures, sum(uses.map(failed))));
      failures.classList.toggle("bad", minute?.failures > 0);
      say(fallbacks, lifetime(minute?.fallbacks, sum(uses.flatMap((use) => Object.values(use.fallbacks)))));
      say(memory, bytes(sum(uses.map((use) => use.memory_bytes))));
      if (row.isOpen) open.update(item);
    },
  };
}

/** What the calls of these uses were, and cost, in so many seconds. */
function grown(seconds, names) {
  const has = (sample) => names.every((name) => sample.uses[name]?.failures !== undefined);
  const window = span(seconds, has);
  if (!window) return null;
  const figures = ["calls", "timed", "timed_duration", "failures", "fallbacks"];
  const of = (figure) => sum(names.map((name) => growth(window.now.uses[name][figure], window.before.uses[name][figure]) ?? 0));
  return { seconds: window.seconds, ...Object.fromEntries(figures.map((figure) => [figure, of(figure)])) };
}

/** The mean of the calls that were timed between two samples. */
export function perCall(names, before, after) {
  const of = (figure) => sum(names.map((name) => (after.uses[name]?.[figure] ?? 0) - (before.uses[name]?.[figure] ?? 0)));
  const timed = of("timed");
  return timed > 0 ? of("timed_duration") / timed : null;
}

function standing(plugin, minute) {
  if (plugin.disabled) return ["idle", "disabled"];
  if (plugin.uses.length === 0) return ["idle", "not used"];
  return minute?.failures > 0 ? ["bad", "fails"] : ["good", "serves"];
}

/** Failures of calls, without those that were ordered. */
function failed(use) {
  return sum(Object.entries(use.failures).map(([why, times]) => (why === "disabled" ? 0 : times)));
}

function lifetime(lately, all) {
  if (all === 0) return "0";
  return `${lately === undefined ? NOTHING : count(lately)} / ${count(all)}`;
}
