// What the dashboard shows while the real server works.
import assert from "node:assert/strict";
import { checkContrast, checkNames } from "./checks.mjs";

// Requests one after the other on `width` connections until stop() is called.
export function load(url, width) {
  let goes_on = true;
  const body = JSON.stringify({ prompt: "Tell me a story.", max_tokens: 80, ignore_eos: true });
  const headers = { "Content-Type": "application/json" };
  const one = async () => {
    while (goes_on)
      await (await fetch(`${url}generate`, { method: "POST", headers, body })).text();
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

export const dashboardScenarios = [
  ["the charts move under load", moves],
  ["a chart is read by keyboard, pointer and table", isRead],
  ["a hidden page asks nothing", pauses],
  ["trouble is told, and its end", tellsTrouble],
  ["names and contrast, at 360 pixels", suitsEverybody, { viewport: { width: 360, height: 640 } }],
];
