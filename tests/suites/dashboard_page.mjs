// What the cases of `dashboard.mjs` are made of: a page that remembers what went wrong in it, waiting, and word of what was seen.

import { createInterface } from "node:readline";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

export async function please(what) {
  say({ please: what });
  return JSON.parse((await lines.next()).value);
}

/** A case: what `look` gives is what was seen, and what it throws is why it failed. */
export async function trying(name, look) {
  try {
    say({ case: name, passed: true, seen: String((await look()) ?? "") });
  } catch (error) {
    say({ case: name, passed: false, seen: error.message.split("\n").slice(0, 3).join(" ") });
  }
}

export function must(holds, told) {
  if (!holds) throw new Error(told);
}

/** A page that remembers what went wrong and whom it asked. */
export async function watched(browser, address, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  const seen = { errors: [], hosts: new Set() };
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && seen.errors.push(message.text()));
  page.on("pageerror", (error) => seen.errors.push(error.message));
  page.on("request", (request) => seen.hosts.add(new URL(request.url()).host));
  await page.goto(address);
  return { page, seen };
}

export const text = (page, selector) => page.locator(selector).first().innerText();
/** The row of an endpoint or a plugin, by its name. */
export const row = (page, name) => page.locator("tr", { has: page.locator("th", { hasText: name }) }).first();
export const share = (page, name) => row(page, name).locator("td.share .value");
export const digest = (page) => row(page, "policy").locator("code");

export async function until(page, holds, told, seconds = 30) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await page.waitForTimeout(100)) {
    if (await holds()) return;
  }
  throw new Error(`${told}: waited in vain for ${seconds} s`);
}

/** What has the focus is called so. */
export async function onFocus(page, name) {
  const focused = await page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent);
  must(typeof name === "string" ? focused === name : name.test(focused), `the focus is on ${focused}`);
}

/** In the dialog, whose first button leaves everything as it is. */
export async function confirm(page) {
  await until(page, () => page.locator("#confirm").evaluate((dialog) => dialog.open), "a question");
  await onFocus(page, "Leave it");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
}
