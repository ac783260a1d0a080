// The browser's part of `dashboard.py`: looks at the page, uses it, and says what it has seen, a line of JSON for each case. What
// has to happen outside of the browser it asks for by another such line, and reads the answer.
//
//     node dashboard.mjs CHROMIUM MODULES FOLDER

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

import { confirm, digest, must, onFocus, please, row, share, text, trying, until, watched } from "./dashboard_page.mjs";

const [chromiumPath, modules, folder] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
const WIDTHS = [360, 768, 1440];

async function figures(page) {
  await trying("figures move", async () => {
    await until(page, async () => Number.parseFloat(await text(page, "#now-rate")) > 20, "requests per second");
    const paths = new Set();
    const medians = new Set();
    await until(page, async () => {
      paths.add(await page.locator("svg.chart path.line").first().getAttribute("d"));
      medians.add(await text(page, "#now-median"));
      return paths.size > 2 && medians.size > 1;
    }, "lines that move");
    return `${await text(page, "#now-rate")} requests/s, median ${await text(page, "#now-median")}`;
  });
  await trying("each chart says in words what it shows", async () => {
    const words = await page.locator("svg.chart").evaluateAll((charts) => charts.map((chart) => chart.getAttribute("aria-label")));
    must(words.length === 3 && words.every((word) => /now [\d<]/.test(word)), words.join(" / "));
    await page.locator(".plot summary").first().press("Enter");
    must((await page.locator(".plot table tbody tr").count()) > 0, "no table");
    await page.locator(".plot summary").first().press("Enter");
    return words[2];
  });
}

/** When another digest than `first` stands there. */
async function changes(page, first) {
  await until(page, async () => (await digest(page).innerText()) !== first, "another digest", 60);
  return Date.now() / 1000;
}

async function swaps(page) {
  const first = await digest(page).innerText();
  await trying("a swap appears within two seconds", async () => {
    const [seen, { saved, served }] = await Promise.all([changes(page, first), please("swap")]);
    must(seen - served < 2, `${(seen - served).toFixed(2)} s after it served`);
    return `${(seen - served).toFixed(2)} s after it served, ${(seen - saved).toFixed(2)} s after it was saved`;
  });
  await trying("a plugin is rolled back by keyboard alone", async () => {
    await page.locator("#plugin-table .turn", { hasText: "policy" }).focus();
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    await onFocus(page, "Roll back policy");
    await page.keyboard.press("Enter");
    await confirm(page);
    await until(page, async () => (await digest(page).innerText()) === first, "the digest of before");
    await until(page, async () => (await text(page, "#told")).includes("again"), "word of it");
    await onFocus(page, /policy/);
    const history = await page.locator(".happened li").allInnerTexts();
    must(history.length === 2 && history[0].includes("rolled back") && history[1].includes("swap"), history.join(" / "));
    return await text(page, "#told");
  });
}

async function orders(page) {
  await trying("a question that is left changes nothing", async () => {
    await row(page, "beta").getByRole("button", { name: "Drain beta" }).press("Enter");
    await until(page, () => page.locator("#confirm").evaluate((dialog) => dialog.open), "a question");
    await page.keyboard.press("Escape");
    await onFocus(page, "Drain beta");
    must((await row(page, "beta").innerText()).includes("healthy"), await row(page, "beta").innerText());
  });
  await trying("a drained endpoint's share becomes zero, and comes back", async () => {
    must((await share(page, "beta").innerText()) !== "0 %", "it has none");
    await row(page, "beta").getByRole("button", { name: "Drain beta" }).press("Enter");
    await confirm(page);
    await until(page, async () => (await share(page, "beta").innerText()) === "0 %", "a share of nothing");
    must((await row(page, "beta").innerText()).includes("draining"), await row(page, "beta").innerText());
    must((await text(page, "#problems")).includes("beta of pool is draining"), await text(page, "#problems"));
    const others = `alpha ${await share(page, "alpha").innerText()}, gamma ${await share(page, "gamma").innerText()}`;
    await row(page, "beta").getByRole("button", { name: "Undrain beta" }).press("Enter");
    await until(page, async () => (await share(page, "beta").innerText()) !== "0 %", "a share again");
    return others;
  });
  await trying("a plugin is disabled and enabled", async () => {
    await page.getByRole("button", { name: "Disable policy" }).press("Enter");
    await confirm(page);
    await until(page, async () => (await row(page, "policy").innerText()).includes("disabled"), "word of it");
    await page.getByRole("button", { name: "Enable policy" }).press("Enter");
    await until(page, async () => !(await row(page, "policy").innerText()).includes("disabled"), "the end of it");
  });
  await trying("an order that is refused says why", async () => {
    await page.getByRole("button", { name: "Look at the file of policy" }).press("Enter");
    await until(page, async () => (await text(page, "#told")).startsWith("Refused:"), "a refusal", 10);
    return await text(page, "#told");
  });
}

async function exchanges(page, addresses) {
  await trying("an exchange opens to what was decided", async () => {
    await page.locator("#exchanges").scrollIntoViewIfNeeded();
    await until(page, () => page.locator("#exchange-table .turn").count(), "exchanges");
    await fetch(addresses.broken);
    await page.locator("#exchange-path").fill("/pool/broken");
    const first = page.locator("#exchange-table .turn").first();
    await until(page, async () => (await first.count()) > 0 && (await first.innerText()).includes("/pool/broken"), "that one");
    await first.press("Enter");
    const steps = await page.locator("#exchange-table .steps").first().innerText();
    must(/sticky-session/.test(steps) && /policy/.test(steps) && /answered 503/.test(steps), steps);
    must((await text(page, "#exchange-held")).includes("Held"), "it does not hold still");
    await first.press("Enter");
    return steps.replaceAll("\n", " ");
  });
  await trying("exchanges are filtered by status and use", async () => {
    await page.locator("#exchange-path").fill("");
    await page.locator("#exchange-status").selectOption("4");
    await until(page, async () => {
      const found = await page.locator("#exchange-table td.number.warn").allInnerTexts();
      return found.length > 0 && found.every((status) => status.startsWith("4"));
    }, "those of 4xx alone");
    await page.locator("#exchange-status").selectOption("");
    await page.locator("#exchange-use").selectOption("pool/response/headers");
    await until(page, async () => (await page.locator("#exchange-table tbody").count()) > 0, "those of a use");
    await page.locator("#exchange-use").selectOption("");
    return await text(page, "#exchange-count");
  });
}

async function keyboard(page) {
  await trying("the keyboard reaches everything, and shows where it is", async () => {
    await page.locator("#exchange-hold").check();
    await page.evaluate(() => scrollTo(0, 0));
    await page.locator("body").evaluate((body) => {
      body.tabIndex = -1;
      body.focus();
      body.removeAttribute("tabindex");
    });
    const wanted = await page.evaluate(() => {
      const all = document.querySelectorAll("a[href], button, select, input, summary, [tabindex='0']");
      const there = [...all].filter((node) => node.checkVisibility() && !node.closest("dialog"));
      // Of a group of radio buttons one is reached, and the others from there.
      return there.filter((node) => node.type !== "radio" || node.checked).length;
    });
    const reached = new Set();
    for (let turn = 0; turn < wanted + 5; turn += 1) {
      await page.keyboard.press("Tab");
      const at = await page.evaluate(() => {
        const node = document.activeElement;
        if (node === document.body) return null;
        node.dataset.reached ??= String(document.querySelectorAll("[data-reached]").length);
        const look = node.type === "radio" ? node.nextElementSibling : node;
        const { outlineStyle, outlineWidth } = getComputedStyle(look);
        return { number: node.dataset.reached, name: node.textContent, isSeen: outlineStyle !== "none" && outlineWidth !== "0px" };
      });
      if (!at) break;
      if (turn === 0) must(at.name.startsWith("Skip"), `first: ${at.name}`);
      must(at.isSeen, `no focus is seen on ${at.name}`);
      reached.add(at.number);
    }
    must(reached.size === wanted, `${reached.size} of ${wanted}`);
    await page.locator("#exchange-hold").uncheck();
    return `${wanted} places`;
  });
}

async function looks(page) {
  // Opened rows are looked at too.
  await page.locator("#exchanges").scrollIntoViewIfNeeded();
  await page.locator("#exchange-table .turn").first().press("Enter");
  for (const theme of ["light", "dark"]) {
    await page.locator(`input[name="theme"][value="${theme}"]`).check();
    for (const width of WIDTHS) {
      await trying(`axe-core, ${theme}, ${width} px`, async () => {
        await page.setViewportSize({ width, height: 900 });
        await page.evaluate(axe);
        const { violations, passes } = await page.evaluate(() => globalThis.axe.run());
        const bad = violations.filter((one) => ["serious", "critical"].includes(one.impact));
        must(bad.length === 0, bad.map((one) => `${one.id}: ${one.nodes[0].target} ${one.nodes[0].failureSummary}`).join("; "));
        const [page_, view] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
        must(page_ <= view, `the page is ${page_} px wide`);
        await page.evaluate(() => scrollTo(0, 0));
        await page.screenshot({ path: `${folder}/${theme}-${width}.png` });
        return `${passes.length} rules passed, ${violations.map((one) => `${one.impact} ${one.id}`).join(", ") || "nothing found"}`;
      });
    }
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.locator('input[name="theme"][value="system"]').check();
  await page.locator("#exchange-table .turn[aria-expanded=true]").press("Enter");
}

async function trouble(page, seen) {
  await trying("a reload with problems shows them, and that they are gone", async () => {
    await please("spoil");
    await until(page, async () => (await text(page, "#problems")).includes("nowhere"), "the problem", 10);
    const told = await text(page, "#problems li");
    must(told.includes("sluice.toml:") && told.includes("route[0].upstream"), told);
    must((await page.locator("#verdict-spoken").textContent()).includes("nowhere"), "it is not said aloud");
    await please("mend");
    await until(page, async () => !(await page.locator("#problems").innerText()).includes("nowhere"), "the end of it", 10);
    return told.replaceAll("\n", " ");
  });
  await trying("nothing goes wrong in the page, and nobody else is asked", async () => {
    // A refused order is an answer of 409, which browsers mention.
    const errors = seen.errors.filter((error) => !error.includes("status of 409"));
    must(errors.length === 0, errors.join("; "));
    must(seen.hosts.size === 1, [...seen.hosts].join(", "));
    return [...seen.hosts].join(", ");
  });
  await trying("a gateway that restarts is found again", async () => {
    await please("stop");
    await until(page, async () => (await text(page, "#stream")).includes("reconnecting"), "word that it is gone", 15);
    must((await text(page, "#problems")).includes("does not answer"), await text(page, "#problems"));
    await please("start");
    const began = Date.now();
    await until(page, async () => (await text(page, "#stream")).startsWith("live"), "the stream", 15);
    const seconds = (Date.now() - began) / 1000;
    await until(page, async () => Number.parseFloat(await text(page, "#now-rate")) > 20, "figures");
    return `${seconds.toFixed(1)} s after it was there`;
  });
}

async function token(browser) {
  await trying("the token is asked for, and is kept out of the address", async () => {
    const { page: address, token: secret } = await please("guard");
    const { page } = await watched(browser, address);
    await until(page, () => page.locator("#token").evaluate((dialog) => dialog.open), "a question");
    await page.keyboard.type("not-the-token-at-all");
    await page.keyboard.press("Enter");
    await until(page, async () => (await text(page, "#token-wrong")).includes("not take"), "word that it is wrong");
    await page.keyboard.type(secret);
    await page.keyboard.press("Enter");
    await until(page, async () => (await text(page, "#stream")).startsWith("live"), "the stream");
    must(page.url() === address, page.url());
    await page.reload();
    await until(page, async () => (await text(page, "#stream")).startsWith("live"), "the stream, after a reload");
  });
}

const browser = await chromium.launch({ executablePath: chromiumPath, args: QUIET });
const addresses = await please("addresses");
const { page, seen } = await watched(browser, addresses.page);
await figures(page);
await swaps(page);
await orders(page);
await exchanges(page, addresses);
await keyboard(page);
await looks(page);
await trouble(page, seen);
await token(browser);
await browser.close();
process.exit(0);
