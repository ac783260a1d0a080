// Routes and listeners: where requests come in, and by which rule they go on.

import { element, find, list, say } from "./dom.js";
import { NOTHING, bytes, count, duration, moment, percent, rate } from "./format.js";
import { difference, growth, quantile, span, sum } from "./series.js";

const NOW = 10;
const MINUTE = 60;

export function show(known) {
  const { routes, listeners } = known.state;
  list(find("route-rows"), routes, (route) => route.name, route);
  list(find("listener-rows"), listeners, (one) => one.id, listener);
}

/** A row whose texts are told by `texts`; `kinds` are the looks of its cells. */
function row(kinds, texts) {
  const [first, ...others] = kinds;
  const head = element("th", { scope: "row", class: first || null });
  const cells = [head, ...others.map((kind) => element("td", { class: kind || null }))];
  const update = (item) => texts(item).forEach((text, index) => say(cells[index], text));
  return { node: element("tr", {}, ...cells), update };
}

function route() {
  return row(["", "", "", "number", "number", "number", "number roomy", "number roomy"], (told) => {
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
  return row(["", "", "number", "number", "number roomy", ""], (told) => [
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
