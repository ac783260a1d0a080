// The page as a whole: what is known goes to each of its parts, whenever there is something new.

import { find, mark, say } from "./dom.js";
import { show as showEvents } from "./events.js";
import { begin as beginExchanges, show as showExchanges } from "./exchanges.js";
import { clock, duration, plural } from "./format.js";
import { begin as beginOrders, orderButton } from "./orders.js";
import { show as showPlugins } from "./plugins.js";
import { show as showProblems } from "./problems.js";
import { show as showRoutes } from "./routes.js";
import { known, watch } from "./state.js";
import { begin as beginTheme } from "./theme.js";
import { begin as beginTraffic, show as showTraffic } from "./traffic.js";
import { show as showUpstreams } from "./upstreams.js";

const PARTS = [showTraffic, showUpstreams, showPlugins, showRoutes];
const PARTS_BY_EVENT = [showEvents, showExchanges];

function show(what) {
  showProblems(known);
  showStream();
  if (!known.state) return;
  showGateway(known.state);
  PARTS.forEach((part) => part(known));
  if (what === "all") PARTS_BY_EVENT.forEach((part) => part(known));
  mark(document.body, "aria-busy", null);
}

/** Whether the page is told what happens; it says so aloud only when that changes. */
function showStream() {
  const { live, since, reason } = known;
  const word = live ? "live" : reason === "" ? "connecting" : "reconnecting";
  mark(find("stream"), "data-kind", live ? "good" : "fair");
  say(find("stream-word"), word);
  say(find("stream-since"), reason === "" && !live ? "" : `since ${clock(since)}`);
}

function showGateway({ gateway, at }) {
  say(find("gateway-version"), gateway.version);
  const facts = [
    gateway.file,
    `up ${duration(at - gateway.started)}`,
    plural(gateway.workers, "worker"),
    gateway.zone === "" ? "" : `zone ${gateway.zone}`,
    `process ${gateway.process}`,
  ];
  say(find("gateway-facts"), facts.filter((fact) => fact !== "").join(" \u00b7 "));
}

const reload = orderButton({ label: "Read files again", path: "reload", done: "All files were read; what they say serves." });
find("gateway-orders").append(reload);

beginTheme();
beginOrders();
beginTraffic();
beginExchanges();
show("all");
watch(show);
