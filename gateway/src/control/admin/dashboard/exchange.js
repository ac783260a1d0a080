// The inside of an exchange's row: what was decided on its way, in order, and its figures.

import { element } from "./dom.js";
import { bytes, duration, moment } from "./format.js";

export function inside(one) {
  const steps = one.steps.map((step) => element("li", {}, ...(step.step === "asked" ? asked(step) : tried(step))));
  const why = one.why.map((reason) => element("li", {}, reason));
  return element(
    "div",
    { class: "opened" },
    element("h3", {}, "What was decided"),
    steps.length > 0 ? element("ol", { class: "steps" }, ...steps) : element("p", { class: "faint" }, "Nobody was asked."),
    why.length > 0 ? element("h3", {}, "What did not go by the first word") : null,
    why.length > 0 ? element("ul", { class: "steps" }, ...why) : null,
    element("h3", {}, "Figures"),
    facts(one),
  );
}

function asked({ use, hook, said, status, failure }) {
  const words = {
    pass: "has no opinion",
    chose: "chose",
    answered: `answers ${status} itself`,
    retry: "wants another endpoint",
    failed: `failed: ${failure?.replaceAll("_", " ")}`,
  };
  const word = element("b", { class: said === "failed" ? "bad" : null }, words[said] ?? said);
  return [element("span", { class: "faint" }, hook), element("span", {}, use), word];
}

function tried({ endpoint, took_us, status }) {
  const word = element("b", { class: status === null ? "bad" : null }, status === null ? "no answer" : `answered ${status}`);
  return [element("span", { class: "faint" }, "attempt"), element("span", {}, endpoint), word, duration(took_us / 1e6)];
}

function facts(one) {
  const figures = [
    ["Began", moment(one.at)],
    ["Client", one.client ?? "unknown"],
    ["Chosen by", one.chosen_by || "nobody"],
    ["Attempts", one.attempts],
    ["Whole exchange", duration(one.duration_us / 1e6)],
    ["Endpoint's answer", duration(one.upstream_us / 1e6)],
    ["Waited for a place", duration(one.queued_us / 1e6)],
    ["Body in, out", `${bytes(one.bytes_in)}, ${bytes(one.bytes_out)}`],
  ];
  const pair = ([name, figure]) => element("div", {}, element("dt", {}, name), element("dd", {}, String(figure)));
  return element("dl", { class: "figures" }, ...figures.map(pair));
}
