// Upstreams and their endpoints: who is well, who gets what, and who is to get nothing new.

import { part } from "./api.js";
import { cell, element, find, instead, list, say, sign, titled } from "./dom.js";
import { bytes, count, duration, percent, plural, rate } from "./format.js";
import { orderButton } from "./orders.js";
import { growth, span, sum } from "./series.js";

// Shares and rates are of so many seconds, errors of a minute.
const NOW = 10;
const MINUTE = 60;

const COLUMNS = [
  ["Endpoint", ""],
  ["Health", ""],
  ["Share of choices", "share"],
  ["In flight", "number"],
  ["Requests/s", "number"],
  ["Failed, 1 min", "number"],
  ["Latency", "number"],
  ["Weight", "number roomy"],
  ["Connections", "number roomy"],
  ["Received", "number roomy"],
  ["Order", "do"],
];

export function show(known) {
  const { upstreams } = known.state;
  find("no-upstreams").hidden = upstreams.length > 0;
  list(find("upstream-list"), upstreams, (upstream) => upstream.name, make);
}

function make({ name }) {
  const heading = element("h3", {}, name);
  const facts = element("p", { class: "facts" });
  const head = COLUMNS.map(([title, kind]) => element("th", { scope: "col", class: kind || null }, title));
  const body = element("tbody");
  const caption = element("caption", { class: "unseen" }, `Endpoints of ${name}`);
  const table = element("table", { class: "stack endpoints" }, caption, element("thead", {}, element("tr", {}, ...head)), body);
  const scroll = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Table of the endpoints of ${name}` }, table);
  const node = element("section", { class: "part" }, element("header", {}, heading, facts), scroll);
  return {
    node,
    update(upstream) {
      say(facts, described(upstream));
      list(body, recent(upstream), (item) => item.endpoint.id, (item) => row(name, item.endpoint.id));
    },
  };
}

function described(upstream) {
  const facts = [
    `${count(upstream.healthy)} of ${plural(upstream.endpoints.length, "endpoint")} healthy`,
    `${upstream.protocol}${upstream.tls ? " over TLS" : ""}`,
    upstream.selection.length > 0 ? `chosen by ${upstream.selection.join(", then ")}` : "",
    upstream.waiting === null ? "" : `${count(upstream.waiting)} waiting`,
    upstream.retry_budget_exhausted > 0 ? `${count(upstream.retry_budget_exhausted)} retries beyond the budget` : "",
  ];
  return facts.filter((fact) => fact !== "").join(" \u00b7 ");
}

/** The endpoints, each with what it got lately. */
function recent(upstream) {
  const has = (sample) => sample.endpoints?.[upstream.name] !== undefined;
  const [short, long] = [span(NOW, has), span(MINUTE, has)];
  const grown = (window, endpoint, figure) => {
    const of = (sample) => sample.endpoints[upstream.name][endpoint.id]?.[figure] ?? 0;
    return window && (growth(of(window.now), of(window.before)) ?? 0);
  };
  const chosen = upstream.endpoints.map((endpoint) => grown(short, endpoint, "attempts") ?? 0);
  const all = sum(chosen);
  return upstream.endpoints.map((endpoint, index) => ({
    endpoint,
    share: all > 0 ? chosen[index] / all : null,
    rate: short ? chosen[index] / short.seconds : null,
    over: grown(long, endpoint, "over"),
    bad: grown(long, endpoint, "bad"),
    most: Math.max(...upstream.endpoints.map((one) => one.in_flight)),
  }));
}

function row(upstream, id) {
  const [health, reasons] = [sign(), element("span", { class: "faint small" })];
  const [share, flight] = [bar(), bar()];
  const address = element("span", { class: "faint small" });
  const plain = ["number", "number", "number", "number roomy", "number roomy", "number roomy"].map(cell);
  const [rates, failed, latency, weight, connections, received] = plain;
  const [drain, undrain] = drainOrders(upstream, id);
  const node = element(
    "tr",
    {},
    element("th", { scope: "row" }, element("span", { class: "name" }, id), address),
    element("td", {}, health.node, reasons),
    element("td", { class: "share" }, share.node),
    element("td", { class: "number" }, flight.node),
    ...plain,
    element("td", { class: "do" }, drain, undrain),
  );
  return {
    node: titled(node, COLUMNS.map(([title]) => title)),
    update({ endpoint, ...lately }) {
      say(address, endpoint.address);
      health.show(kind(endpoint), endpoint.health);
      say(reasons, because(endpoint));
      share.show(lately.share, percent(lately.share));
      flight.show(lately.most > 0 ? endpoint.in_flight / lately.most : 0, count(endpoint.in_flight));
      say(rates, rate(lately.rate));
      say(failed, lately.bad > 0 ? `${count(lately.bad)} (${percent(lately.bad / lately.over)})` : count(lately.bad));
      failed.classList.toggle("bad", lately.bad > 0);
      say(latency, duration(endpoint.latency_us === null ? null : endpoint.latency_us / 1e6));
      say(weight, endpoint.warm_up < 1 ? `${endpoint.weight} \u00d7 ${endpoint.warm_up}` : endpoint.weight);
      say(connections, count(endpoint.connections));
      say(received, bytes(endpoint.received_bytes));
      if (endpoint.drained) instead(undrain, drain);
      else instead(drain, undrain);
    },
  };
}

/** Drain and its opposite: one of them is there at a time. */
function drainOrders(upstream, id) {
  const path = `upstreams/${part(upstream)}/endpoints/${part(id)}`;
  const drain = orderButton({
    label: "Drain",
    title: `Drain ${id}`,
    path: `${path}/drain`,
    warning: `${id} of ${upstream} finishes what it has and gets nothing new, until you undrain it or the gateway restarts.`,
    done: `${id} finishes what it has and gets nothing new.`,
  });
  const undrain = orderButton({
    label: "Undrain",
    title: `Undrain ${id}`,
    path: `${path}/undrain`,
    done: `${id} takes part again.`,
  });
  return [drain, undrain];
}

function kind(endpoint) {
  const kinds = { healthy: "good", degraded: "fair", draining: "idle" };
  return kinds[endpoint.health] ?? "bad";
}

/** What speaks against it; and what an operator may want to know besides. */
function because(endpoint) {
  const ejected = endpoint.ejected && `ejected for ${duration(Math.ceil(endpoint.ejected.seconds_left))} more`;
  const reasons = endpoint.reasons.map((reason) => (reason === "ejected" && ejected ? ejected : reason));
  if (endpoint.warm_up < 1) reasons.push("starts slowly");
  return reasons.join(", ");
}

/** A figure with a bar as long as its part of the whole. */
function bar() {
  const filled = element("span", { class: "filled" });
  const text = element("span", { class: "value" });
  const node = element("span", { class: "bar" }, element("span", { class: "track", "aria-hidden": "true" }, filled), text);
  return {
    node,
    show(part, figure) {
      filled.style.inlineSize = `${(100 * (part ?? 0)).toFixed(1)}%`;
      say(text, figure);
    },
  };
}
