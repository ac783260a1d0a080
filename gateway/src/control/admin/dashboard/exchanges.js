// The last exchanges, with what was decided on their way. They are asked for while somebody looks, and hold still for whoever is
// about to open one.

import { ask } from "./api.js";
import { disclosure } from "./disclosure.js";
import { cell, element, find, list, say } from "./dom.js";
import { inside } from "./exchange.js";
import { clock, count, duration, plural } from "./format.js";

const PERIOD_MS = 2_000;
const TITLES = ["Request", "Status", "Route, upstream, endpoint", "Chosen by", "Took", "Began"];
const PAGE = 15;

let told = null;
let most = PAGE;
let isSeen = false;
const open = new Set();

/** Follows the filter, and asks while the table is in sight. */
export function begin() {
  const form = find("exchange-filter");
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    most = PAGE;
    draw();
  });
  find("exchange-hold").addEventListener("change", look);
  find("exchange-more").addEventListener("click", () => {
    most += PAGE;
    draw();
  });
  new IntersectionObserver((entries) => {
    isSeen = entries.at(-1).isIntersecting;
    look();
  }).observe(find("exchanges"));
  setInterval(look, PERIOD_MS);
}

/** The uses that one can ask for. */
export function show(known) {
  const choices = find("exchange-use");
  const names = ["", ...known.state.uses.map((use) => use.name), "fallback"];
  list(choices, names, (name) => name, (name) => ({ node: element("option", { value: name }, name || "any") }));
}

async function look() {
  const isHeld = hold();
  if (!isSeen || isHeld || document.hidden) return;
  try {
    told = await ask("exchanges");
    draw();
  } catch {
    // The stream says what is the matter.
  }
}

function draw() {
  if (!told) return;
  const wanted = told.exchanges.filter(fits());
  list(find("exchange-table"), wanted.slice(0, most), (one) => `${one.at} ${one.client} ${one.path}`, make);
  for (const row of open) {
    if (!row.node.isConnected) open.delete(row);
  }
  hold();
  const shown = Math.min(wanted.length, most);
  const kept = `of ${count(told.exchanges.length)} that are kept`;
  say(find("exchange-count"), `${plural(shown, "exchange")} shown, ${count(wanted.length)} fit, ${kept}.`);
  find("exchange-more").hidden = wanted.length <= most;
}

/** Whether the list stands still: rows must not run away from whoever is about to open one. */
function hold() {
  const isOpen = open.size > 0;
  const isTouched = find("exchange-table").matches(":hover, :has(:focus-visible)");
  say(find("exchange-held"), isOpen ? "Held while one is open." : isTouched ? "Held while you are in it." : "");
  return isOpen || isTouched || find("exchange-hold").checked;
}

/** What the filter lets through. */
function fits() {
  const path = find("exchange-path").value.trim();
  const status = find("exchange-status").value;
  const use = find("exchange-use").value;
  const isRough = find("exchange-rough").checked;
  return (one) =>
    (path === "" || `${one.host}${one.path}`.includes(path)) &&
    (status === "" || (status === "left" ? one.status === 0 : String(one.status).startsWith(status))) &&
    (use === "" || one.chosen_by === use || one.steps.some((step) => step.use === use)) &&
    (!isRough || one.why.length > 0);
}

function make(one) {
  const status = cell("number");
  say(status, one.status === 0 ? "left" : one.status);
  status.classList.toggle("bad", one.status >= 500);
  status.classList.toggle("warn", one.status === 0 || (one.status >= 400 && one.status < 500));
  const way = [one.route, one.upstream, one.endpoint].filter((name) => name !== "").join(" \u2192 ") || "no route";
  const chosen = one.chosen_by + (one.attempts > 1 ? `, ${plural(one.attempts, "attempt")}` : "");
  const why = element("span", { class: "warn small" }, one.why.join("; "));
  const row = disclosure({
    label: `${one.method} ${one.path}`,
    titles: TITLES,
    cells: [
      status,
      element("td", {}, way, why),
      element("td", { class: "roomy" }, chosen),
      element("td", { class: "number" }, duration(one.duration_us / 1e6)),
      element("td", { class: "number roomy" }, clock(one.at)),
    ],
    fill: () => inside(one),
    turned: (isOpen) => {
      if (isOpen) open.add(row);
      else open.delete(row);
      hold();
    },
  });
  row.head.append(element("span", { class: "faint small" }, one.host));
  return { node: row.node };
}
