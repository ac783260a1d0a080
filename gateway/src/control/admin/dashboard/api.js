// What the gateway is asked and told, by its admin API: as any other client would, with what a browser has.

import { credentials, current, renewed } from "./token.js";

const ROOT = "api/v1/";
const PATIENCE_MS = 10_000;

/** An answer that is not the one that was hoped for. */
export class Refused extends Error {
  constructor(status, told) {
    const problems = (told?.problems ?? []).map((problem) => problem.message);
    super(told?.error ?? (problems.join("; ") || `the gateway answered ${status}`));
    this.status = status;
  }
}

/** What there is, as JSON. */
export async function ask(path) {
  const answer = await send(path, () => ({ signal: AbortSignal.timeout(PATIENCE_MS) }));
  return answer.json();
}

/** Gives an order: `done`, or `unchanged` where it was so already. An order takes its time. */
export async function order(path) {
  const answer = await send(path, () => ({ method: "POST", headers: { "x-sluice-admin": "dashboard" } }));
  return (await answer.json()).outcome ?? "done";
}

/** The stream of events, to be read piece by piece until `over` says so. */
export async function listen(over) {
  let late = null;
  const answer = await send("events", () => {
    const begins = new AbortController();
    clearTimeout(late);
    late = setTimeout(() => begins.abort(), PATIENCE_MS);
    return { signal: AbortSignal.any([over, begins.signal]), headers: { accept: "text/event-stream" } };
  }).finally(() => clearTimeout(late));
  return answer.body;
}

/** One part of a path. */
export function part(name) {
  return encodeURIComponent(name);
}

/** `how` makes the options of each attempt: time does not run while somebody looks for a token. */
async function send(path, how) {
  for (;;) {
    const [token, options] = [current(), how()];
    const headers = { ...options.headers, ...credentials() };
    const answer = await fetch(ROOT + path, { ...options, headers, cache: "no-store", credentials: "same-origin" });
    if (answer.ok) return answer;
    const told = await answer.json().catch(() => null);
    if (answer.status !== 401) throw new Refused(answer.status, told);
    await renewed(token);
  }
}
