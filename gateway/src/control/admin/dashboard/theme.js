// Light, dark, or as the system has it; remembered for this browser.

const KEY = "sluice-theme";

/** Puts the choice of before into force, and follows the switch. */
export function begin() {
  const switches = [...document.querySelectorAll('input[name="theme"]')];
  const choose = (theme) => {
    const isForced = theme === "light" || theme === "dark";
    if (isForced) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
  };
  const before = localStorage.getItem(KEY) ?? "system";
  choose(before);
  for (const input of switches) {
    input.checked = input.value === before;
    input.addEventListener("change", () => {
      localStorage.setItem(KEY, input.value);
      choose(input.value);
    });
  }
}
