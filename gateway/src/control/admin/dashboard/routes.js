// Routes and listeners: where requests come in, and by which rule they go on.

import { cell, element, find, list, say, titled } from "./dom.js";
import { NOTHING, bytes, count, duration, moment, percent, rate } from "./format.js";
import { difference, growth, quantile, span, sum } from "./series.js";

const NOW = 10;
const MINUTE = 60;

// As the page has them.
const ROUTES = [
  ["Route", ""],
  ["Takes", ""],
  ["To", ""],
  ["Requests/s", "number"],
  ["5xx, 1 min", "number"],
  ["95 %", "number"],
  ["Retries", "number roomy"],
  ["Sent", "number roomy"],
];
const LISTENERS = [
  ["Address", ""],
  ["Speaks", ""],
  ["Open", "number"],
  ["Accepted", "number"],
  ["Handshakes full / resumed", "number roomy"],
  ["Certificates", ""],
];

export function show(known) {
  const { routes, listeners } = known.state;
  list(find("route-rows"), routes, (one) => one.name, route);
  list(find("listener-rows"), listeners, (one) => one.id, listener);
}

/** A row of a table with these columns, each with title and look; `texts` tells what stands in them. */
function row(columns, texts) {
  const [, ...others] = columns;
  const cells = [element("th", { scope: "row" }), ...others.map(([, kind]) => cell(kind))];
  const update = (item) => texts(item).forEach((text, index) => say(cells[index], text));
  return { node: titled(element("tr", {}, ...cells), columns.map(([title]) => title)), update };
}

function route() {
  return row(ROUTES, (told) => {
    const of = (sample) => sample.routes?.[told.name];
    const has = (sample) => of(sample) !== undefined;
    const [short, long] = [span(NOW, has), span(MINUTE, has)];
    const grown = (window, figure) => window && growth(of(window.now)[figure], of(window.before)[figure]);
    const [passed, all, bad] = [grown(short, "requests"), grown(long, "requests"), grown(long, "bad")];
    const counts = short && difference(of(short.now).durations, of(short.before).durations);
    return [
      told.name,
      matched(told),
      [told.upstream, ...told.upstreams.filter((name) => name !== told.upstream)].join(", "),
      rate(passed === null ? null : passed / short.seconds),
      percent(all ? bad / all : all),
      duration(counts && quantile(counts, 0.95)),
      count(sum(Object.values(told.traffic.retries))),
      bytes(told.traffic.sent_bytes),
    ];
  });
}

function matched({ hosts, path, methods, headers }) {
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return [methods.join(", "), (hosts.join(", ") || "any host") + path, ...fields].filter((text) => text !== "").join(" \u00b7 ");
}

function listener() {
  return row(LISTENERS, (told) => [
    told.address,
    [told.protocols.join(", "), told.tls ? "TLS" : "plain", told.client_certificates && `certificates ${told.client_certificates}`]
      .filter(Boolean)
      .join(" \u00b7 "),
    count(told.open),
    count(told.accepted),
    told.tls ? `${count(told.handshakes.full)} / ${count(told.handshakes.resumed)}` : NOTHING,
    told.certificates.map((one) => `${one.names.join(", ")} until ${moment(one.ends).slice(0, 10)}`).join("; ") || NOTHING,
  ]);
}
