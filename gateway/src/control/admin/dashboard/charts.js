// Lines over the last minutes, drawn in the pixels that there are. Each line has a pattern of its own besides its colour; the
// same figures stand in a table below, for those who do not see the picture.

import { element, list, mark, say, shape } from "./dom.js";
import { NOTHING, clock } from "./format.js";
import { SPAN } from "./series.js";

const HEIGHT = 168;
const EDGE = { top: 10, right: 10, bottom: 22, left: 52 };
// Seconds between two rows of the table.
const ROW = 30;

/**
 * A chart of `lines`, each with `name` and `kind` (its look). `format` writes a value, `summary` is what the figures are of.
 * `draw` gets points `{ at, values }`, values null where there is a gap.
 */
export function chart({ title, lines, format }) {
  const picture = shape("svg", { class: "chart", role: "img", height: HEIGHT });
  const legend = element("ul", { class: "legend" });
  const when = element("span", { class: "when", "aria-hidden": "true" });
  const table = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${title}, as a table` });
  const details = element("details", {}, element("summary", {}, "As a table"), table);
  const heading = element("h3", {}, title, when);
  const node = element("figure", { class: "plot" }, heading, legend, picture, details);
  const it = { title, lines, format, picture, when, shown: null, width: 0, pointed: null };
  it.values = lines.map((line) => {
    const value = element("span", { class: "value" });
    legend.append(element("li", {}, sample(line.kind), element("span", {}, line.name), value));
    return value;
  });
  build(it);
  new ResizeObserver(([entry]) => {
    it.width = Math.floor(entry.contentRect.width);
    redraw(it);
  }).observe(picture);
  picture.addEventListener("pointermove", (event) => point(it, event.offsetX));
  picture.addEventListener("pointerleave", () => point(it, null));
  details.addEventListener("toggle", () => tabulate(it, table, details));
  const draw = (shown) => {
    it.shown = shown;
    redraw(it);
    tabulate(it, table, details);
  };
  return { node, draw };
}

/** A piece of a line, as a legend shows it. */
function sample(kind) {
  const stroke = shape("path", { d: "M0 6h22", class: `line ${kind}` });
  return shape("svg", { class: "sample", width: 22, height: 12, "aria-hidden": "true" }, stroke);
}

/** The parts of the picture, which only move afterwards. */
function build(it) {
  it.grid = shape("g", { class: "grid" });
  it.below = shape("g", { class: "below" });
  it.paths = it.lines.map((line) => shape("path", { class: `line ${line.kind}` }));
  it.cursor = shape("path", { class: "cursor" });
  it.empty = shape("text", { class: "empty", "text-anchor": "middle" });
  it.picture.append(it.grid, it.below, ...it.paths, it.cursor, it.empty);
}

function redraw(it) {
  const { shown, width } = it;
  if (!shown || width < 120) return;
  const { now, made } = shown;
  const values = made.flatMap((one) => one.values ?? []).filter((value) => value !== null);
  const top = nice(Math.max(...values, 0));
  const x = (at) => EDGE.left + (1 - (now - at) / SPAN) * (width - EDGE.left - EDGE.right);
  const y = (value) => HEIGHT - EDGE.bottom - (value / top) * (HEIGHT - EDGE.top - EDGE.bottom);
  Object.assign(it, { x, y });
  mark(it.picture, "viewBox", `0 0 ${width} ${HEIGHT}`);
  axes(it, top, now);
  it.paths.forEach((path, index) => mark(path, "d", trace(made, index, x, y)));
  say(it.empty, values.length === 0 ? "Nothing yet" : "");
  mark(it.empty, "x", (EDGE.left + width) / 2);
  mark(it.empty, "y", HEIGHT / 2);
  mark(it.picture, "aria-label", spoken(it, made));
  legend(it);
}

/** Lines at round values with what they stand for, and minutes below. */
function axes(it, top, now) {
  const right = it.width - EDGE.right;
  const levels = [0, top / 2, top];
  list(it.grid, levels, (_, index) => index, () => tick("M0 0", "end"));
  [...it.grid.children].forEach((node, index) => {
    const at = Math.round(it.y(levels[index])) + 0.5;
    place(node, `M${EDGE.left} ${at}H${right}`, EDGE.left - 8, at + 4, round(it.format(levels[index])));
  });
  const every = it.width < 380 ? 2 : 1;
  const minutes = [];
  for (let minute = 0; minute <= SPAN / 60; minute += every) minutes.push(minute);
  list(it.below, minutes, (minute) => minute, () => tick("M0 0", "middle"));
  [...it.below.children].forEach((node, index) => {
    const at = Math.round(it.x(now - minutes[index] * 60)) + 0.5;
    const base = HEIGHT - EDGE.bottom;
    const isNow = minutes[index] === 0;
    mark(node.lastChild, "text-anchor", isNow ? "end" : "middle");
    place(node, `M${at} ${base}v4`, isNow ? right : at, HEIGHT - 4, isNow ? "now" : `\u2212${minutes[index]} min`);
  });
}

function tick(path, anchor) {
  return { node: shape("g", {}, shape("path", { d: path }), shape("text", { "text-anchor": anchor })) };
}

function place(node, path, x, y, text) {
  mark(node.firstChild, "d", path);
  mark(node.lastChild, "x", x);
  mark(node.lastChild, "y", y);
  say(node.lastChild, text);
}

/** A round value needs no digits after the point. */
function round(text) {
  return text.replace(/\.0(?!\d)/, "");
}

/** The path of a line; it breaks where there is nothing. */
function trace(made, index, x, y) {
  let path = "";
  let isDown = false;
  for (const { at, values } of made) {
    const value = values?.[index] ?? null;
    if (value !== null) path += `${isDown ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
    isDown = value !== null;
  }
  return path;
}

/** Values at the pointer, or the last ones. */
function legend(it) {
  const { made, now } = it.shown;
  const pointed = it.pointed === null ? null : nearest(made, it);
  const point = pointed ?? made.at(-1);
  it.values.forEach((value, index) => say(value, it.format(point?.values?.[index] ?? null)));
  say(it.when, pointed ? clock(pointed.at) : "");
  mark(it.cursor, "d", pointed ? `M${it.x(pointed.at).toFixed(1)} ${EDGE.top}V${HEIGHT - EDGE.bottom}` : null);
}

function nearest(made, it) {
  const away = (one) => Math.abs(it.x(one.at) - it.pointed);
  return made.reduce((best, one) => (best === null || away(one) < away(best) ? one : best), null);
}

function point(it, x) {
  it.pointed = x;
  if (it.shown && it.x) legend(it);
}

/** What the picture shows, in words. */
function spoken(it, made) {
  const told = it.lines.map((line, index) => {
    const values = made.map((one) => one.values?.[index] ?? null).filter((value) => value !== null);
    if (values.length === 0) return `${line.name}: nothing`;
    const [least, most] = [Math.min(...values), Math.max(...values)];
    return `${line.name}: now ${it.format(values.at(-1))}, between ${it.format(least)} and ${it.format(most)}`;
  });
  return `${it.title}, the last five minutes. ${told.join("; ")}.`;
}

/** The same figures by half minutes, the newest first; only while somebody looks. */
function tabulate(it, table, details) {
  if (!details.open || !it.shown) return;
  const { made } = it.shown;
  const rows = new Map();
  for (const one of made) rows.set(Math.floor(one.at / ROW), one);
  const head = ["Time", ...it.lines.map((line) => line.name)].map((name) => element("th", { scope: "col" }, name));
  const line = ({ at, values }) => {
    const figures = it.lines.map((_, index) => element("td", {}, values ? it.format(values[index]) : NOTHING));
    return element("tr", {}, element("th", { scope: "row" }, clock(at)), ...figures);
  };
  const caption = element("caption", { class: "unseen" }, `${it.title}, every half minute, the newest first`);
  const body = element("tbody", {}, ...[...rows.values()].reverse().map(line));
  table.replaceChildren(element("table", {}, caption, element("thead", {}, element("tr", {}, ...head)), body));
}

/** The next round number. */
function nice(value) {
  if (value <= 0) return 1;
  const ten = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((step) => step * ten).find((step) => step >= value * 1.0001) ?? 10 * ten;
}

/** A small line without axes; the figure that it is about stands beside it. */
export function sparkline() {
  const [width, height] = [96, 22];
  const path = shape("path", { class: "line accent" });
  const node = shape("svg", { class: "spark", width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, path);
  const draw = ({ now, made }) => {
    const values = made.map((one) => one.values?.[0] ?? null).filter((value) => value !== null);
    const top = Math.max(...values, 0) || 1;
    const x = (at) => (1 - (now - at) / SPAN) * width;
    mark(path, "d", trace(made, 0, x, (value) => height - 2 - (value / top) * (height - 4)));
  };
  return { node, draw };
}
