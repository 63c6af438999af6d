// Opens pages of load tests in Debian's Chromium, from their files and without a network:
//   node report.mjs MODULES_DIR PAGE.html...
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { checkContrast, checkNames } from "./checks.mjs";

const [modules, ...files] = process.argv.slice(2);
const { chromium } = createRequire(path.join(modules, "x"))("playwright-core");
const browser = await chromium.launch({
  executablePath: process.env.TROUPE_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
});

async function open(file, options, check) {
  const context = await browser.newContext({ offline: true, ...options });
  const page = await context.newPage();
  const wrongs = [];
  page.on("pageerror", (error) => wrongs.push(error.stack));
  page.on("console", (message) => wrongs.push(message.text()));
  page.on("request", (request) => {
    if (request.url() !== pathToFileURL(file).href) wrongs.push(`asked for ${request.url()}`);
  });
  await page.goto(pathToFileURL(file).href);
  await check(page);
  assert.deepEqual(wrongs, []);
  await context.close();
}

async function isReadable(page) {
  await checkNames(page);
  await checkContrast(page);
  assert.ok(await page.locator("svg.chart").count() >= 8);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  assert.equal(wide, false, "the page is wider than its window");
}

// The arrow keys read a chart's values; Escape gives the run's figures back.
async function speaks(page) {
  const chart = page.locator("#rate svg.chart");
  const value = page.locator("#rate .legend b").first();
  const atRest = await value.textContent();
  await chart.focus();
  await page.keyboard.press("Home");
  assert.equal(await page.locator("#rate .moment").textContent(), "0:00");
  const first = await page.locator("#rate tbody td").first().textContent();
  const [read, told] = [await value.textContent(), first].map(Number.parseFloat);
  // Measured off a line of tenths of a pixel.
  assert.ok(Math.abs(read - told) <= 0.02 * Math.max(told, 5), `${read} is not ${told}`);
  await page.keyboard.press("Escape");
  assert.equal(await value.textContent(), atRest);
}

const ground = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);

try {
  for (const file of files) {
    for (const colorScheme of ["light", "dark"])
      await open(file, { colorScheme }, async (page) => {
        await isReadable(page);
        await speaks(page);
        const before = await ground(page);
        await page.getByRole("button", { name: "Dark colours" }).click();
        assert.notEqual(await ground(page), before);
      });
    // Without its script: whole, and still dark where that is wanted.
    const seen = [];
    for (const colorScheme of ["light", "dark"])
      await open(file, { javaScriptEnabled: false, colorScheme }, async (page) => {
        assert.ok(await page.locator("svg.chart .line").count() >= 10);
        await page.locator("#rate summary").click();
        assert.ok(await page.locator("#rate table").isVisible());
        assert.equal(await page.getByRole("button", { name: "Dark colours" }).count(), 0);
        seen.push(await ground(page));
      });
    assert.notEqual(seen[0], seen[1]);
    await open(file, { viewport: { width: 360, height: 720 } }, isReadable);
    console.log(`ok: ${path.basename(file)}`);
  }
} finally {
  await browser.close();
}
