// Tests the pages in a folder in a real browser: `node browse.cjs FOLDER CHROMIUM`.
"use strict";
const assert = require("node:assert/strict");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { chromium } = require("playwright-core");

const [folder, executablePath] = process.argv.slice(2);
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];
// The longest time that a person perceives as immediate.
const AT_ONCE_MS = 3000;

async function main() {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), "wafsync-html-"));
  const context = await chromium.launchPersistentContext(home, { executablePath, headless: true, args: FLAGS });
  try {
    for (const page of ["held", "hundred", "blocked", "foreign"]) {
      await checkPage(context, page);
      console.log(`ok: ${page}`);
    }
  } finally {
    await context.close();
    fs.rmSync(home, { recursive: true, force: true });
  }
}

async function checkPage(context, name) {
  const page = await context.newPage();
  const url = `file://${path.join(folder, name)}.html`;
  const problems = [];
  page.on("console", (message) => problems.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => problems.push(`error: ${error}`));
  page.on("dialog", (dialog) => { problems.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("request", (request) => { if (request.url() !== url && !request.url().startsWith("data:")) problems.push(`request: ${request.url()}`); });

  await page.setViewportSize({ width: 1280, height: 900 });
  const began = Date.now();
  await page.goto(url, { waitUntil: "load" });
  assert.ok(Date.now() - began < AT_ONCE_MS, `${name} took ${Date.now() - began} ms to open`);

  await checkAccessibility(page, name);
  if (name === "held" || name === "hundred") {
    await checkSearch(page, name);
    await checkKeyboard(page, name);
  }
  if (name === "foreign") {
    assert.equal(await page.locator("main b b, main img, main a[href^=http]").count(), 0, "foreign text is escaped");
    assert.equal(await page.evaluate(() => globalThis.reached), undefined, "foreign text is not executed");
  }
  await takeScreenshots(page, name);
  assert.deepEqual(problems, [], name);
  await page.close();
}

// Checks for screen readers: one heading of the first level, labels, names for every control, no dangling ids.
async function checkAccessibility(page, name) {
  assert.equal(await page.locator("h1").count(), 1);
  assert.equal(await page.locator("html").getAttribute("lang"), "en");
  const lost = await page.evaluate(() => {
    const ids = [...document.querySelectorAll("[aria-labelledby], [aria-describedby], label[for], a[href^='#']")]
      .map((e) => e.getAttribute("aria-labelledby") ?? e.getAttribute("aria-describedby") ?? e.getAttribute("for")
        ?? decodeURIComponent(e.getAttribute("href").slice(1)));
    return ids.filter((id) => !document.getElementById(id));
  });
  assert.deepEqual(lost, [], `${name}: references to missing ids`);
  const twice = await page.evaluate(() => {
    const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
    return ids.filter((id, index) => ids.indexOf(id) !== index);
  });
  assert.deepEqual(twice, [], `${name}: duplicate ids`);
  const nameless = await page.evaluate(() => [...document.querySelectorAll("a, input, summary, [role=img]")]
    .filter((e) => !(e.getAttribute("aria-label") || e.labels?.length || e.textContent.trim())).length);
  assert.equal(nameless, 0, `${name}: an element has no name`);
}

async function checkSearch(page, name) {
  const [wanted, matches] = name === "held" ? ["203.0.113.7/32", "1 match"] : ["edge-0007", "51 matches"];
  const search = page.getByRole("searchbox");
  await search.fill(wanted);
  await page.waitForFunction((text) => document.getElementById("found").textContent !== text, "Press / to search, Escape to clear.");
  assert.equal(await page.locator("#found").textContent(), matches, wanted);
  assert.ok(await page.locator("details[open] .hit:not([hidden])").first().isVisible(), "matches are visible");
  await search.fill("nothing has this");
  await page.waitForFunction(() => document.getElementById("found").textContent === "0 matches");
  await search.fill("");
  await page.waitForFunction(() => document.getElementById("found").textContent.startsWith("Press"));
  assert.equal(await page.locator("details[open]").count(), 0, "an empty search folds everything");
}

async function checkKeyboard(page, name) {
  await page.evaluate(() => document.activeElement?.blur());
  await page.keyboard.press("/");
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.className);
  assert.equal(await focused(), "search");
  await page.keyboard.type("wafsync-ipv4-000");
  await page.keyboard.press("Escape");
  assert.equal(await page.getByRole("searchbox").inputValue(), "");
  // From the top: the link past the map, the command to paste, then the map, which is one tab stop.
  await page.reload({ waitUntil: "load" });
  await page.keyboard.press("Tab");
  assert.ok(await page.locator(".skip").evaluate((link) => link === document.activeElement), "the first tab stop is the skip link");
  const cell = page.locator("a.cell").first();
  for (let stop = 0; stop < 5 && !(await cell.evaluate((e) => e === document.activeElement)); stop++) {
    await page.keyboard.press("Tab");
  }
  assert.ok(await cell.evaluate((e) => e === document.activeElement), `${name}: the map can be reached`);
  if (name === "hundred") {
    await page.keyboard.press("ArrowRight");
    assert.ok(await page.locator("a.cell").nth(1).evaluate((e) => e === document.activeElement), "arrows move in the map");
    await page.keyboard.press("ArrowLeft");
  }
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.activeElement.tagName === "SUMMARY");
  assert.equal(await page.locator("details[open]").count(), 1, "a cell opens its IP set");
  await page.keyboard.press("Enter");
  assert.equal(await page.locator("details[open]").count(), 0, "the same key closes it");
}

async function takeScreenshots(page, name) {
  const shot = (kind, options = {}) => page.screenshot({ path: path.join(folder, `${name}-${kind}.png`), ...options });
  await page.evaluate(() => { document.activeElement?.blur(); scrollTo(0, 0); });
  await shot("light");
  await page.locator("details.group summary").first().click({ force: true }).catch(() => {});
  await shot("open", { fullPage: name !== "hundred" });
  await page.emulateMedia({ colorScheme: "dark" });
  await shot("dark");
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 360, height: 740 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= 360, `${name} is ${wide} pixels wide on a phone`);
  await shot("narrow", { fullPage: name !== "hundred" });
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.pdf({ path: path.join(folder, `${name}.pdf`), format: "A4", printBackground: false });
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
