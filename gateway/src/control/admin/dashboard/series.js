// What was counted in the last minutes. Counts only grow; differences make rates, shares and percentiles.

/** Seconds that are kept and shown. */
export const SPAN = 300;
/** Seconds between two points of a line. */
export const STEP = 2;
// Over so many seconds percentiles are taken: fewer would jump.
const SMOOTH = 10;

let bounds = [];
let samples = [];

/** Begins anew with what the gateway remembers. */
export function begin(trend) {
  bounds = trend.bounds;
  samples = trend.moments;
}

/** The figures of a second. */
export function add(figures) {
  const traffic = [...Object.values(figures.routes), figures.unrouted];
  const last = samples.at(-1);
  if (last && last.at >= figures.at) return;
  samples.push({
    at: figures.at,
    codes: total(traffic.map((route) => route.codes)),
    durations: bounds.map((_, index) => sum(traffic.map((route) => route.durations[index]?.count ?? 0))),
    uses: Object.fromEntries(figures.uses.map((use) => [use.name, costs(use)])),
    routes: Object.fromEntries(Object.entries(figures.routes).map(([name, route]) => [name, passed(route)])),
    endpoints: Object.fromEntries(figures.upstreams.map((upstream) => [upstream.name, members(upstream)])),
  });
  const oldest = figures.at - SPAN - 2 * SMOOTH;
  while (samples.length > 0 && samples[0].at < oldest) samples.shift();
}

/** The last sample and one that is at least so many seconds older, or as old as there is; `has` says which ones count. */
export function span(seconds, has = () => true) {
  const now = samples.at(-1);
  if (!now || !has(now)) return null;
  let before = null;
  for (let index = samples.length - 2; index >= 0 && has(samples[index]); index -= 1) {
    before = samples[index];
    if (now.at - before.at >= seconds) break;
  }
  return before && { before, now, seconds: now.at - before.at };
}

/** Points of a line, one for each step: `value` gets two samples that follow each other, and one from which to smooth. */
export function points(value) {
  const now = samples.at(-1)?.at ?? 0;
  const steps = [];
  for (const sample of samples) {
    const step = Math.floor(sample.at / STEP);
    if (steps.at(-1)?.step === step) steps.at(-1).sample = sample;
    else steps.push({ step, sample });
  }
  // The step that is not over yet would be another one each second.
  if (steps.length > 0) steps.pop();
  const made = [];
  let from = 0;
  for (let index = 1; index < steps.length; index += 1) {
    const [before, after] = [steps[index - 1].sample, steps[index].sample];
    if (after.at < now - SPAN) continue;
    while (steps[from + 1].sample.at <= after.at - SMOOTH && from + 1 < index) from += 1;
    const is_gap = after.at - before.at > 4 * STEP;
    made.push({ at: after.at, values: is_gap ? null : value(before, after, steps[from].sample) });
  }
  return { now, made };
}

/** Below which duration `part` of these counts lie, in seconds, as far as classes tell; null for none. `tops`: their bounds. */
export function quantile(counts, part, tops = bounds) {
  const all = sum(counts);
  if (all <= 0 || counts.some((count) => count < 0)) return null;
  let rank = part * all;
  for (const [index, count] of counts.entries()) {
    const from = index > 0 ? tops[index - 1] : 0;
    if (rank <= count) return from + ((tops[index] ?? from) - from) * (rank / count);
    rank -= count;
  }
  return tops.at(-2) ?? null;
}

/** Member by member; what was not there before began with nothing. */
export function difference(after, before) {
  return after.map((count, index) => count - (before?.[index] ?? 0));
}

/** A count's growth, or null where it began anew. */
export function growth(after, before) {
  return after >= before ? after - before : null;
}

export function sum(numbers) {
  return numbers.reduce((all, number) => all + number, 0);
}

/** All that is in `object`, but for those keys. */
export function without(object, ...keys) {
  return sum(Object.entries(object).map(([key, count]) => (keys.includes(key) ? 0 : count)));
}

function total(objects) {
  const all = {};
  for (const [key, count] of objects.flatMap(Object.entries)) all[key] = (all[key] ?? 0) + count;
  return all;
}

function costs(use) {
  return {
    calls: sum(use.hooks.map((hook) => hook.calls)),
    timed: sum(use.hooks.map((hook) => hook.timed)),
    timed_duration: sum(use.hooks.map((hook) => hook.timed_duration)),
    hooks: Object.fromEntries(use.hooks.map((hook) => [hook.hook, { calls: hook.calls, cpu: hook.cpu }])),
    // What an operator has taken out fails by order.
    failures: without(use.failures, "disabled"),
    fallbacks: sum(Object.values(use.fallbacks)),
  };
}

function passed(route) {
  return {
    requests: route.requests,
    bad: route.codes["5xx"],
    wrong: route.codes["4xx"],
    durations: route.durations.map((one) => one.count),
  };
}

function members(upstream) {
  const one = (endpoint) => ({
    attempts: endpoint.attempts,
    over: sum(Object.values(endpoint.outcomes)),
    bad: without(endpoint.outcomes, "1xx", "2xx", "3xx", "4xx", "cancelled"),
  });
  return Object.fromEntries(upstream.endpoints.map((endpoint) => [endpoint.id, one(endpoint)]));
}
