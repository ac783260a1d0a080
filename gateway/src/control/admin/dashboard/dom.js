// Elements of the page. What comes from outside becomes text and attributes, never markup: there is no other way in here.

// The kind of document that shapes belong to, as the page names it.
const SHAPES = document.querySelector("svg").namespaceURI;

/** An element; attributes that are null or false are left out, and those that begin with `on` are listeners. */
export function element(name, attributes = {}, ...children) {
  return dressed(document.createElement(name), attributes, children);
}

/** The same for pictures. */
export function shape(name, attributes = {}, ...children) {
  return dressed(document.createElementNS(SHAPES, name), attributes, children);
}

function dressed(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else mark(node, name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export function find(id) {
  return document.getElementById(id);
}

/** Text, if it is another one: what stays is not touched, so that a selection in it stays too. */
export function say(node, text) {
  const said = String(text);
  if (node.textContent !== said) node.textContent = said;
}

/** An attribute; null and false take it away, true needs no value. */
export function mark(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else {
    const said = value === true ? "" : String(value);
    if (node.getAttribute(name) !== said) node.setAttribute(name, said);
  }
}

// By their parent, what each list has; and all nodes that belong to one.
const lists = new WeakMap();
const ours = new WeakSet();

/**
 * The children of `parent` are one for each item, in that order. `make` gives `{ node, update }` for a key that is new; what
 * is there already keeps its node, and with it the focus, and is updated.
 */
export function list(parent, items, key, make) {
  const before = lists.get(parent) ?? new Map();
  const after = new Map();
  for (const item of items) {
    let name = String(key(item));
    // Two of a name are two all the same.
    while (after.has(name)) name += "'";
    const row = before.get(name) ?? make(item);
    row.update?.(item);
    after.set(name, row);
  }
  for (const [name, row] of before) {
    if (!after.has(name)) row.node.remove();
  }
  // What stands there besides, as the head of a table, stays before them.
  let next = [...parent.children].find((child) => ours.has(child)) ?? null;
  for (const row of after.values()) {
    if (row.node === next) next = next.nextElementSibling;
    else parent.insertBefore(row.node, next);
    ours.add(row.node);
  }
  lists.set(parent, after);
}

/** A cell of a table that is written again and again. */
export function cell(kind = "") {
  return element("td", { class: kind || null });
}

/** The row's cells say which column they are of, for screens that are too narrow for columns. */
export function titled(row, titles) {
  [...row.children].forEach((node, index) => node.localName === "td" && mark(node, "data-title", titles[index]));
  return row;
}

/** A sign with a word: shape and word say what the colour does. */
export function sign() {
  const glyph = element("span", { class: "glyph", "aria-hidden": "true" });
  const word = element("span");
  const node = element("span", { class: "sign" }, glyph, word);
  const GLYPHS = { good: "\u25cf", fair: "\u25d0", idle: "\u25cb", bad: "\u2715" };
  return {
    node,
    show(kind, text) {
      mark(node, "data-kind", kind);
      say(glyph, GLYPHS[kind]);
      say(word, text);
    },
  };
}

/** Of two buttons one is there; the focus goes over to it. */
export function instead(shown, hidden) {
  const had = document.activeElement === hidden;
  shown.hidden = false;
  hidden.hidden = true;
  if (had) shown.focus();
}
