// The first figures: what goes by now, and in the last minutes.

import { chart } from "./charts.js";
import { find, say } from "./dom.js";
import { count, duration, percent, rate } from "./format.js";
import { difference, growth, points, quantile, span, sum } from "./series.js";

// Over so many seconds the figures at the top are taken.
const NOW = 10;

let charts = null;

/** Puts the charts where they belong. */
export function begin() {
  charts = {
    requests: chart({ title: "Requests per second", lines: [{ name: "all", kind: "accent" }], format: rate }),
    errors: chart({
      title: "Errors per second",
      lines: [
        { name: "5xx", kind: "bad" },
        { name: "4xx", kind: "warn dashed" },
        { name: "left", kind: "plain dotted" },
      ],
      format: rate,
    }),
    latency: chart({
      title: "Time to answer",
      lines: [
        { name: "median", kind: "accent" },
        { name: "95 %", kind: "plain dashed" },
        { name: "99 %", kind: "plain dotted" },
      ],
      format: duration,
    }),
  };
  find("charts").append(...Object.values(charts).map((one) => one.node));
}

export function show(known) {
  charts.requests.draw(points((before, after) => [perSecond(before, after, all)]));
  charts.errors.draw(
    // They are few: without smoothing there would be peaks alone.
    points((_, after, smooth) => ["5xx", "4xx", "none"].map((code) => perSecond(smooth, after, (sample) => sample.codes[code]))),
  );
  charts.latency.draw(points((_, after, smooth) => percentiles(smooth, after)));
  now(known.state);
}

function now(state) {
  const last = span(NOW);
  const grown = last && growth(all(last.now), all(last.before));
  say(find("now-rate"), rate(last && grown !== null ? grown / last.seconds : null));
  const bad = last && growth(last.now.codes["5xx"], last.before.codes["5xx"]);
  say(find("now-errors"), percent(grown ? bad / grown : grown === 0 ? 0 : null));
  const [half, most, nearly] = last ? percentiles(last.before, last.now) : [null, null, null];
  say(find("now-median"), duration(half));
  say(find("now-95"), duration(most));
  say(find("now-99"), duration(nearly));
  say(find("now-flight"), count(sum(state.routes.map((route) => route.traffic.in_flight))));
  say(find("now-connections"), count(state.connections.open));
}

function all(sample) {
  return sum(Object.values(sample.codes));
}

function perSecond(before, after, figure) {
  const grown = growth(figure(after), figure(before));
  return grown === null ? null : grown / (after.at - before.at);
}

function percentiles(before, after) {
  const counts = difference(after.durations, before.durations);
  return [0.5, 0.95, 0.99].map((part) => quantile(counts, part));
}
