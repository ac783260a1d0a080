// Rows of a table that open: a button names the row and says whether it is open; what is inside stands in a row below.

import { element, mark, titled } from "./dom.js";

let number = 0;

/**
 * The rows as the body of a table with columns of these `titles`. `cells` follow the button's. `fill` makes the inside when it
 * is opened first; `turned` hears of each turn.
 */
export function disclosure({ label, cells, titles, fill, turned = () => {} }) {
  number += 1;
  const id = `inside-${number}`;
  const button = element("button", { type: "button", class: "turn", "aria-expanded": "false", "aria-controls": id }, label);
  const inside = element("td", { colspan: titles.length });
  const below = element("tr", { id, class: "inside", hidden: true }, inside);
  const head = element("th", { scope: "row" }, button);
  const node = element("tbody", {}, titled(element("tr", {}, head, ...cells), titles), below);
  const row = { node, head, button, inside, isOpen: false };
  row.turn = (open) => {
    row.isOpen = open;
    mark(button, "aria-expanded", String(open));
    if (open && inside.childElementCount === 0) inside.append(fill());
    below.hidden = !open;
    turned(open);
  };
  button.addEventListener("click", () => row.turn(!row.isOpen));
  return row;
}
