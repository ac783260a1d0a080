// What has happened lately, the newest first, in the words of the log.

import { element, find, list } from "./dom.js";
import { moment } from "./format.js";

const SHOWN = 40;

export function show(known) {
  const events = known.state.history.events.slice(-SHOWN).reverse();
  list(find("event-list"), events, (event) => event.id, make);
}

function make({ at, level, message, fields }) {
  const time = element("time", { datetime: new Date(at * 1000).toISOString() }, moment(at));
  const said = Object.entries(fields).map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  const word = element("span", { class: `level ${level}` }, level);
  return { node: element("li", {}, time, word, element("b", {}, message), element("span", { class: "faint" }, said.join("  "))) };
}
