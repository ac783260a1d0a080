// A circuit breaker for each tenant: after five answers of 500 and above within ten seconds, a tenant gets 503 for five
// seconds. It counts in the store, so that all workers count together and a swap forgets nothing.
import * as setup from "sluice:plugin/setup@0.1.0";
import * as store from "sluice:plugin/store@0.1.0";

const FIELD = "x-tenant";
const MOST = 5;
const WINDOW_MS = 10_000;
const OPEN_MS = 5_000;

export const lifecycle = {
  describe: () => ({
    name: "tenant-breaker",
    version: "0.1.0",
    summary: "A circuit breaker for each tenant",
    configSchema: "",
  }),
  configure(text) {
    setup.respond("always");
  },
};

export const routing = {
  route(input, request) {
    const tenant = request.header(FIELD);
    if (tenant === undefined || store.get(`open/${tenant}`) === undefined) return { tag: "pass", val: 0n };
    request.setReplyHeader("retry-after", String(OPEN_MS / 1000));
    return { tag: "reply", val: 503 };
  },
};

export const response = {
  respond(request, head, exchange) {
    const tenant = request.header(FIELD);
    if (tenant === undefined || head.status() < 500) return "done";
    const known = store.get(`failed/${tenant}`);
    const count = (known?.value[0] ?? 0) + 1;
    store.set(`failed/${tenant}`, new Uint8Array([count]), WINDOW_MS);
    if (count >= MOST) {
      store.set(`open/${tenant}`, new Uint8Array([1]), OPEN_MS);
      store.remove(`failed/${tenant}`);
    }
    return "done";
  },
};
