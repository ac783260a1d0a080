// The token of operators, where the gateway asks for one. It lives as long as the tab, and never stands in an address.

import { find, say } from "./dom.js";

const KEY = "sluice-token";

let token = sessionStorage.getItem(KEY);
// While somebody is being asked.
let asked = null;

/** What a request brings to prove who it is for. */
export function credentials() {
  return token ? { authorization: `Bearer ${token}` } : {};
}

/** Asks whoever is here for a token, since `refused` was none or no good; all who want one wait for the same answer. */
export function renewed(refused) {
  if (!asked && token !== refused) return Promise.resolve();
  asked ??= ask(refused !== null).finally(() => (asked = null));
  return asked;
}

export function current() {
  return token;
}

function ask(wasWrong) {
  const [dialog, form, field] = [find("token"), find("token-form"), find("token-field")];
  say(find("token-wrong"), wasWrong ? "The gateway does not take that token." : "");
  field.value = "";
  if (!dialog.open) dialog.showModal();
  field.focus();
  return new Promise((resolve) => {
    // Without a token there is nothing to go back to.
    const stay = (event) => event.preventDefault();
    dialog.addEventListener("cancel", stay);
    form.addEventListener("submit", function take(event) {
      event.preventDefault();
      const said = field.value.trim();
      if (said === "") return;
      token = said;
      sessionStorage.setItem(KEY, said);
      field.value = "";
      form.removeEventListener("submit", take);
      dialog.removeEventListener("cancel", stay);
      dialog.close();
      resolve();
    });
  });
}
