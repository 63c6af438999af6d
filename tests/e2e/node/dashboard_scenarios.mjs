// What the dashboard shows while the real server works.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { checkContrast, checkNames } from "./checks.mjs";

// Requests one after the other on `width` connections until stop() is called.
export function load(url, width, max_tokens = 80) {
  let goes_on = true;
  const headers = { "Content-Type": "application/json" };
  const one = async (_, i) => {
    for (let n = 0; goes_on; ++n) {
      const prompt = `${"Tell me a story about the sea, please. ".repeat(4)} ${i % 3} ${n}`;
      const body = JSON.stringify({ prompt, max_tokens, ignore_eos: true });
      await (await fetch(`${url}generate`, { method: "POST", headers, body })).text();
    }
  };
  const all = Promise.all(Array.from({ length: width }, one));
  return { stop: () => ((goes_on = false), all) };
}

const card = (page, title) =>
  page.locator(".card").filter({ has: page.getByText(title, { exact: true }) });
const tile = (page, name) => card(page, name).locator(".value");

async function moves({ page, url }) {
  await page.goto(`${url}dashboard`);
  await page.getByText("Ready", { exact: true }).waitFor();
  const line = card(page, "Tokens per second").locator("path.line").first();
  const before = await line.getAttribute("d");
  const work = load(url, 4);
  try {
    await page.waitForFunction(() => {
      const of = (name) => [...document.querySelectorAll(".tile")]
        .find((node) => node.querySelector("dt").textContent === name).querySelector(".value");
      return Number(of("Running").textContent) > 0 && parseFloat(of("Generated").textContent) > 0 &&
        /s$/.test(of("First token").textContent);
    });
  } finally {
    await work.stop();
  }
  assert.notEqual(await line.getAttribute("d"), before, "the chart stood still");
  await tile(page, "Running").getByText("0", { exact: true }).waitFor();
  await card(page, "Ended requests").getByText("length").waitFor();
}

async function isRead({ page, url }) {
  await page.goto(`${url}dashboard`);
  const chart = card(page, "Requests");
  const time = chart.locator(".moment");
  await page.waitForFunction(
    () => document.querySelector("path.line")?.getAttribute("d").includes("L"));
  await chart.locator("svg").focus();
  await page.keyboard.press("Home");
  assert.match(await time.textContent(), /^\d\d:\d\d:\d\d$/);
  await page.keyboard.press("Tab");
  assert.equal(await time.textContent(), "");
  await page.keyboard.press("Enter");
  await chart.getByRole("rowheader").first().waitFor();
  const box = await chart.locator("svg").boundingBox();
  assert.ok(box.width > 300 && box.height > 100, `a chart of ${box.width} x ${box.height} pixels`);
  await page.mouse.move(box.x + box.width - 20, box.y + 60);
  assert.match(await time.textContent(), /^\d\d:/);
}

// A page that nobody looks at asks nothing.
async function pauses({ page, url }) {
  let num_asked = 0;
  page.on("request", (request) => { if (request.url().endsWith("/metrics")) ++num_asked; });
  await page.goto(`${url}dashboard`);
  await page.waitForFunction(() => document.getElementById("updated").textContent !== "never");
  const setHidden = (value) => page.evaluate((hidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event("visibilitychange"));
  }, value);
  await setHidden(true);
  await page.waitForTimeout(300);
  const before = num_asked;
  await page.waitForTimeout(2500);
  assert.equal(num_asked, before);
  await setHidden(false);
  await page.waitForRequest("**/metrics");
}

async function tellsTrouble({ page, url }) {
  await page.route("**/ready", (route) =>
    route.fulfill({ status: 503, json: { error: { message: "the executor hangs" } } }));
  await page.goto(`${url}dashboard`);
  await page.getByText("Not ready: the executor hangs").waitFor();
  await page.route("**/ready", (route) => route.abort());
  await page.getByText("No answer from the server").waitFor();
  await page.unroute("**/ready");
  await page.getByText("Ready", { exact: true }).waitFor();
}

async function suitsEverybody({ page, url }) {
  await page.goto(`${url}dashboard`);
  await page.getByText("Ready", { exact: true }).waitFor();
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  await checkNames(page);
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await checkContrast(page);
  }
}

// By keyboard where that is how it would be done: Enter in a field starts, Enter on Stop stops.
async function testsItself({ page, url }) {
  await page.goto(`${url}dashboard`);
  const panel = page.locator("#load-tests");
  await panel.getByRole("heading", { name: "Load test of this server" }).waitFor();
  await panel.getByLabel("Load", { exact: true }).selectOption("users");
  const duration = panel.getByLabel("Duration", { exact: true });
  await duration.fill("soon");
  await duration.press("Enter");
  const error = panel.locator("#load-test-duration-error");
  await error.getByText("soon").waitFor();
  assert.equal(await duration.getAttribute("aria-invalid"), "true");
  assert.equal(await page.evaluate(() => document.activeElement.id), "load-test-duration");
  await duration.fill("10m");
  await panel.getByLabel("Users", { exact: true }).fill("2");
  await panel.getByLabel("Tokens of an answer").fill("8");
  await panel.getByLabel("SLO").fill("success>=1%");
  await panel.getByRole("button", { name: "Start" }).click();
  // Numbers move, charts get lines.
  await page.waitForFunction(() => {
    const of = (name) => [...document.querySelectorAll("#load-tests .tile")]
      .find((node) => node.querySelector("dt").textContent === name)?.querySelector(".value");
    const lines = document.querySelectorAll("#load-tests path.line");
    return Number(of("Succeeded")?.textContent) > 0 && /s$/.test(of("First token").textContent) &&
      [...lines].some((line) => line.getAttribute("d").includes("L"));
  });
  assert.equal(await error.textContent(), "");
  assert.ok(await panel.getByRole("button", { name: "Start" }).isDisabled());
  await checkNames(page);
  await checkContrast(page);
  await panel.getByRole("button", { name: "Stop" }).focus();
  await page.keyboard.press("Enter");
  const row = panel.locator(".load-runs tbody tr").first();
  await row.getByText(/passed, stopped|generator overloaded, stopped/).waitFor();
  await panel.getByText("success>=1%: met").waitFor();
  await panel.getByRole("button", { name: "Start" }).and(page.locator(":enabled")).waitFor();
  await checkContrast(page);
  const [report] = await Promise.all([page.context().waitForEvent("page"),
                                      row.getByRole("link", { name: /^report of test/ }).click()]);
  await report.locator("svg.chart").first().waitFor();
  // A page of somebody else, as far as the browser knows.
  assert.equal(await report.evaluate(() => self.origin), "null");
  // And a file: what is saved is what the server has.
  const [saved] = await Promise.all([page.waitForEvent("download"),
                                     row.getByRole("link", { name: /^JSON of test/ }).click()]);
  const { verdict } = JSON.parse(await readFile(await saved.path(), "utf8"));
  assert.match(verdict, /passed|generator overloaded/);
}

export const dashboardScenarios = [
  ["the charts move under load", moves],
  ["a chart is read by keyboard, pointer and table", isRead],
  ["a hidden page asks nothing", pauses],
  ["trouble is told, and its end", tellsTrouble],
  ["a load test is started, watched, stopped and kept", testsItself],
  ["names and contrast, at 360 pixels", suitsEverybody, { viewport: { width: 360, height: 640 } }],
];
