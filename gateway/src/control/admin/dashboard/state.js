// What is known of the gateway: all of it at the beginning and whenever something happens, its figures each second.

import { ask } from "./api.js";
import { add, begin } from "./series.js";
import { follow } from "./stream.js";

// Events come in flocks: a swap has one for each use. Where they do not end, once a second is enough.
const FLOCK_MS = 100;
const AGAIN_MS = 1_000;

/** `state` is null until there is something to know. */
export const known = { state: null, live: false, since: Date.now() / 1000, reason: "" };

let onChange = () => {};
let due = null;
let asking = null;
let renewed = 0;

/** Begins, and says by `changed` whenever there is something new: `all`, or `figures` alone. */
export function watch(changed) {
  onChange = changed;
  follow({ begun, figures, event: refresh, lost });
}

/** All of it again, soon. */
export function refresh() {
  due ??= setTimeout(() => {
    due = null;
    renew().catch(() => {});
  }, Math.max(FLOCK_MS, renewed + AGAIN_MS - performance.now()));
}

/** All of it now: what was ordered is in it. */
export async function renew() {
  // One that is on its way may have been asked before.
  await asking?.catch(() => {});
  asking ??= ask("state").finally(() => (asking = null));
  known.state = await asking;
  renewed = performance.now();
  onChange("all");
}

async function begun() {
  begin(await ask("trend"));
  await renew();
  Object.assign(known, { live: true, since: known.state.at, reason: "" });
  onChange("all");
}

function figures(told) {
  const { state } = known;
  const names = state.routes.map((route) => route.name);
  const isOther = names.length !== Object.keys(told.routes).length || names.some((name) => !(name in told.routes));
  add(told);
  Object.assign(state, { at: told.at, connections: told.connections, unrouted: told.unrouted });
  Object.assign(state, { upstreams: told.upstreams, uses: told.uses });
  state.gateway.ready = told.ready;
  for (const route of state.routes) route.traffic = told.routes[route.name] ?? route.traffic;
  if (isOther) refresh();
  onChange("figures");
}

function lost(reason) {
  if (known.live || known.reason === "") known.since = Date.now() / 1000;
  Object.assign(known, { live: false, reason });
  onChange("all");
}
