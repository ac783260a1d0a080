// What needs a look, and where: the first thing that the page says.

import { element, find, list, mark, say } from "./dom.js";
import { clock, count, duration, percent, plural } from "./format.js";
import { growth, span, sum } from "./series.js";

const MINUTE = 60;
const DAY = 86_400;
// From here on the gateway warns of a certificate too.
const SOON = 21 * DAY;
// What part of answers may be failures of ours, and of how many answers it is worth saying.
const BAD_PART = 0.01;
const ENOUGH = 20;

let before = "";

export function show(known) {
  const problems = known.state ? [...stream(known), ...all(known.state)] : stream(known);
  const worst = problems.some((problem) => problem.level === "bad") ? "bad" : "fair";
  const kind = problems.length === 0 ? "good" : worst;
  const text = problems.length === 0 ? "All is well" : `${plural(problems.length, "thing needs", "things need")} a look`;
  mark(find("verdict"), "data-kind", known.state || problems.length > 0 ? kind : "idle");
  say(find("verdict-text"), known.state || problems.length > 0 ? text : "Asking the gateway\u2026");
  document.title = problems.length === 0 ? "Sluice" : `(${problems.length}) Sluice`;
  list(find("problems"), problems, (problem) => problem.key, make);
  announce(text, problems);
}

/** Said when it is another list, without figures, which would be said each second. */
function announce(text, problems) {
  const said = [text, ...problems.map((problem) => problem.title)].join(". ");
  if (said !== before) say(find("verdict-spoken"), said);
  before = said;
}

function make({ level, title, where }) {
  const detail = element("span", { class: "detail" });
  const word = element("span", { class: `level ${level === "bad" ? "error" : "warn"}` }, level === "bad" ? "bad" : "look");
  const text = where ? element("a", { href: where }, title) : element("b", {}, title);
  return { node: element("li", {}, word, text, detail), update: (problem) => say(detail, problem.detail ?? "") };
}

function stream({ live, reason, since }) {
  if (live || reason === "") return [];
  return [{ key: "stream", level: "bad", title: "The gateway does not answer this page", detail: `since ${clock(since)}: ${reason}` }];
}

function all(state) {
  return [
    ...reload(state),
    ...answers(),
    ...state.upstreams.flatMap(upstream),
    ...state.plugins.flatMap((plugin) => [...standing(plugin), ...refused(plugin, state.history.events)]),
    ...certificates(state),
    ...gateway(state),
  ];
}

function reload({ reload: { problems, refused_at: at } }) {
  return problems.map(({ file, line, key, message }, index) => ({
    key: `reload ${index} ${file} ${key} ${message}`,
    level: "bad",
    title: `The files on disk do not serve: ${message}`,
    detail: [file + (line ? `:${line}` : ""), key, `refused at ${clock(at)}`].filter(Boolean).join(" \u00b7 "),
    where: "#events",
  }));
}

/** Answers of 5xx in the last minute. */
function answers() {
  const last = span(MINUTE);
  if (!last) return [];
  const everything = growth(sum(Object.values(last.now.codes)), sum(Object.values(last.before.codes)));
  const bad = growth(last.now.codes["5xx"], last.before.codes["5xx"]);
  if (!everything || everything < ENOUGH || bad / everything < BAD_PART) return [];
  const detail = `${percent(bad / everything)} of ${count(everything)} answers in the last minute are 5xx`;
  return [{ key: "5xx", level: "bad", title: "Clients get errors", detail, where: "#exchanges" }];
}

function upstream({ name, endpoints, healthy }) {
  const where = "#upstreams";
  if (endpoints.length > 0 && healthy === 0) {
    const title = `No endpoint of ${name} is healthy`;
    return [{ key: `none ${name}`, level: "bad", title, detail: endpoints.flatMap((one) => one.reasons).join(", "), where }];
  }
  const ill = endpoints.filter((one) => one.health !== "healthy");
  return ill.map((one) => ({
    key: `endpoint ${name} ${one.id} ${one.health}`,
    level: one.health === "unhealthy" ? "bad" : "fair",
    title: `${one.id} of ${name} is ${one.health}`,
    detail: one.reasons.join(", "),
    where,
  }));
}

function standing({ name, disabled, uses }) {
  const where = "#plugins";
  if (disabled) return [{ key: `disabled ${name}`, level: "fair", title: `${name} is disabled by an operator`, where }];
  const of = (sample) => sum(uses.map((use) => sample.uses[use]?.failures ?? 0));
  const last = span(MINUTE, (sample) => uses.every((use) => sample.uses[use]?.failures !== undefined));
  const failed = last && growth(of(last.now), of(last.before));
  if (!failed) return [];
  const detail = `${plural(failed, "call")} in the last minute`;
  return [{ key: `fails ${name}`, level: "bad", title: `${name} fails`, detail, where }];
}

/** The last thing that was tried with its file was no good. */
function refused({ name }, events) {
  const tried = ["swap", "swap refused", "rolled back"];
  const last = events.findLast((event) => event.fields.plugin === name && tried.includes(event.message));
  const where = "#plugins";
  if (last?.message === "swap refused") {
    const detail = `at ${clock(last.at)}: ${last.fields.reason}`;
    return [{ key: `refused ${name} ${last.id}`, level: "bad", title: `A new version of ${name} was refused`, detail, where }];
  }
  if (last?.message !== "rolled back") return [];
  const detail = `at ${clock(last.at)}: ${last.fields.new} serves again`;
  return [{ key: `back ${name} ${last.id}`, level: "fair", title: `${name} was taken back to the version before`, detail, where }];
}

function certificates({ at, listeners, upstreams }) {
  const owners = [
    ...listeners.map((one) => ({ where: "#listeners", certificates: one.certificates })),
    ...upstreams.map((one) => ({ where: "#upstreams", certificates: one.certificates })),
  ];
  const ending = owners.flatMap(({ where, certificates: some }) => some.map((one) => ({ where, ...one })));
  return ending.filter((one) => one.ends - at < SOON).map(({ where, file, names, ends }) => {
    const isOver = ends <= at;
    return {
      key: `certificate ${file} ${isOver}`,
      level: isOver ? "bad" : "fair",
      title: `The certificate of ${names.join(", ") || file} ${isOver ? "has ended" : "ends soon"}`,
      detail: `${isOver ? `${duration(at - ends)} ago` : `in ${duration(ends - at)}`} \u00b7 ${file}`,
      where,
    };
  });
}

function gateway({ gateway: { ready, log_lines_lost: lost } }) {
  const problems = [];
  if (!ready) problems.push({ key: "drains", level: "fair", title: "The gateway drains: it takes nothing new" });
  if (lost > 0) {
    const title = "Lines of the log were lost";
    problems.push({ key: "log", level: "fair", title, detail: `${plural(lost, "line")} since it began` });
  }
  return problems;
}
