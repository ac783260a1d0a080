// Orders: asked for once more where they take something away, given, and what came of them said.

import { order } from "./api.js";
import { element, find, say } from "./dom.js";
import { renew } from "./state.js";

/**
 * A button that orders `path`. `label` is what it says, `done` what is said afterwards; `warning`, if there is one, is asked
 * before. All three may be functions, since names of versions change.
 */
export function orderButton({ label, path, done, warning = null, title = null }) {
  const text = (given) => (typeof given === "function" ? given() : given);
  const button = element("button", { type: "button", class: "order", "aria-label": title, onclick: press }, text(label));
  async function press() {
    const asked = text(warning);
    if (asked && !(await confirmed(text(title) ?? text(label), asked))) return;
    // It stays where the focus is, and takes no second order meanwhile.
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    try {
      const outcome = await order(text(path));
      tell(outcome === "unchanged" ? `Nothing to do: ${text(done)}` : text(done));
    } catch (error) {
      tell(`Refused: ${error.message}`, true);
    } finally {
      button.removeAttribute("aria-disabled");
      await renew().catch(() => {});
    }
  }
  return button;
}

/** Says what came of an order, for eyes and for screen readers. */
export function tell(text, isBad = false) {
  const place = find("told");
  place.classList.toggle("bad", isBad);
  say(place, "");
  // The same words twice are news twice.
  setTimeout(() => put(text), 50);
}

/** Where it is said is there all the time: screen readers do not hear what comes together with its place. */
function put(text) {
  say(find("told"), text);
  find("told-away").hidden = text === "";
}

/** The buttons of the dialog, and the one that puts away what was said. */
export function begin() {
  const dialog = find("confirm");
  find("confirm-yes").addEventListener("click", () => dialog.close("yes"));
  find("confirm-no").addEventListener("click", () => dialog.close("no"));
  find("told-away").addEventListener("click", () => put(""));
}

/** A question in a dialog: keyboard and focus are the browser's business. */
function confirmed(title, question) {
  const dialog = find("confirm");
  say(find("confirm-title"), title);
  say(find("confirm-text"), question);
  say(find("confirm-yes"), title);
  dialog.returnValue = "";
  dialog.showModal();
  find("confirm-no").focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
