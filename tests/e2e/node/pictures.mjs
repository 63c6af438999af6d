// The pictures of the documents: the real server, its demo model, nothing mocked.
import path from "node:path";
import { load } from "./dashboard_scenarios.mjs";

const questions = ["Hello! Who are you and what can you do?", "Write a short poem about the sea."];

async function chatPicture(newPage, file, options) {
  const { page, url, close } = await newPage(options);
  await page.goto(url);
  for (const question of questions) {
    await page.getByLabel("Message", { exact: true }).fill(question);
    await page.keyboard.press("Enter");
    await page.locator(".turn.assistant").last().locator(".facts").waitFor();
  }
  await page.screenshot({ path: file });
  await close();
}

// A few readers, many, a few again.
async function dashboardPicture(newPage, file) {
  const { page, url, close } = await newPage({ viewport: { width: 1240, height: 1000 } });
  await page.goto(`${url}dashboard`);
  for (const width of [4, 24, 8]) {
    const work = load(url, width, 300);
    await page.waitForTimeout(22000);
    if (width === 8) await page.screenshot({ path: file });
    await work.stop();
  }
  await close();
}

export async function takePictures(newPage, folder) {
  const at = (name) => path.join(folder, name);
  const viewport = { width: 1100, height: 760 };
  await chatPicture(newPage, at("chat-light.png"), { viewport, colorScheme: "light" });
  await chatPicture(newPage, at("chat-dark.png"), { viewport, colorScheme: "dark" });
  await chatPicture(newPage, at("chat-phone.png"),
                    { viewport: { width: 360, height: 720 }, colorScheme: "light" });
  await dashboardPicture(newPage, at("dashboard.png"));
}
