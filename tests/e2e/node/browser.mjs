// Drives Debian's Chromium through the pages of a running server:
//   [SCENARIO=words] node browser.mjs URL MODULES_DIR [PICTURES_DIR]
// MODULES_DIR is where npm put playwright-core; with PICTURES_DIR it takes the documents' pictures
// instead of running the scenarios; SCENARIO runs those alone whose names have these words.
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { chatScenarios } from "./chat_scenarios.mjs";
import { dashboardScenarios } from "./dashboard_scenarios.mjs";
import { takePictures } from "./pictures.mjs";

const [url, modules, pictures] = process.argv.slice(2);
const { chromium } = createRequire(path.join(modules, "x"))("playwright-core");
const patience_ms = 15000 * Number(process.env.TROUPE_PATIENCE ?? "1");

const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
               "--disable-background-networking", "--disable-component-update", "--disable-sync"];

// A fresh browser with a page that notes whatever goes wrong in it.
async function newPage(options = {}) {
  const profile = await mkdtemp(path.join(tmpdir(), "troupe-browser-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.TROUPE_CHROMIUM ?? "/usr/bin/chromium", headless: true, args: flags,
    viewport: { width: 1200, height: 800 }, ...options,
  });
  context.setDefaultTimeout(patience_ms);
  const page = context.pages()[0] ?? await context.newPage();
  const wrongs = [];
  page.on("pageerror", (error) => wrongs.push(`error: ${error.stack}`));
  page.on("console", (message) => {
    if (/Content Security Policy|Trusted/i.test(message.text())) wrongs.push(message.text());
  });
  const close = async () => {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  };
  return { page, url, wrongs, close };
}

async function runScenario([name, scenario, options]) {
  const stage = await newPage(options);
  try {
    await scenario(stage);
    if (stage.wrongs.length > 0) throw new Error(stage.wrongs.join("\n"));
    console.log(`ok: ${name}`);
    return true;
  } catch (error) {
    console.log(`FAILED: ${name}\n${error.stack}\n${stage.wrongs.join("\n")}`);
    return false;
  } finally {
    await stage.close();
  }
}

if (pictures) {
  await takePictures(newPage, pictures);
} else {
  let num_failed = 0;
  const all = [...chatScenarios, ...dashboardScenarios];
  for (const scenario of all.filter(([name]) => name.includes(process.env.SCENARIO ?? "")))
    if (!await runScenario(scenario)) ++num_failed;
  process.exitCode = num_failed > 0 ? 1 : 0;
}
