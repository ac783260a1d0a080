// An A/B test: half of the visitors get the route's second upstream, and a cookie keeps each where it was.

const COOKIE = "ab";
const SIDES = ["a", "b"];

export const lifecycle = {
  describe: () => ({
    name: "ab-cookie",
    version: "0.1.0",
    summary: "Half of the visitors get the second upstream, by cookie",
    configSchema: "",
  }),
  configure(text) {},
};

export const routing = {
  route(input, request) {
    const side = SIDES.indexOf(request.cookie(COOKIE));
    if (side >= 0) return { tag: "upstream", val: { upstream: side, tag: 0n } };
    // The tag makes `respond` be called for this exchange, and says which side it was.
    const drawn = Number(input.random % 2n);
    return { tag: "upstream", val: { upstream: drawn, tag: BigInt(drawn + 1) } };
  },
};

export const response = {
  respond(request, head, exchange) {
    const side = SIDES[Number(exchange.tag) - 1];
    if (side !== undefined) head.appendHeader("set-cookie", `${COOKIE}=${side}; Path=/; Max-Age=2592000; SameSite=Lax`);
    return "done";
  },
};
