// The pictures of the documents.
import path from "node:path";
import { load } from "./dashboard_scenarios.mjs";
import { mockSocket } from "./mock.mjs";

const story = `Batching is what makes a server **fast and fair** at once. Each step reads every
weight once, however many requests share it:

1. *Prefill* computes the prompt, cut into chunks
2. *Decode* computes one token of each request

| requests in a step | weights read | tokens made |
|---|--:|--:|
| 1 | 15 GB | 1 |
| 32 | 15 GB | 32 |

\`\`\`cpp
auto plan = plan_step(running, limits);  // pure: decides, does nothing
executor.run(plan);
\`\`\`

> A request that waits gets its turn with the next step.`;

export async function takePictures(newPage, folder) {
  await dashboardPictures(newPage, folder);
  const shot = (page, name) => page.screenshot({ path: path.join(folder, name) });
  const open = async (options) => {
    const stage = await newPage(options);
    await mockSocket(stage.page, () => ({ pieces: story.split(/(?<= )/), pace_ms: 3 }));
    await stage.page.goto(stage.url);
    return stage;
  };
  for (const [name, options] of [
    ["chat-light.png", { viewport: { width: 1100, height: 820 }, colorScheme: "light" }],
    ["chat-dark.png", { viewport: { width: 1100, height: 820 }, colorScheme: "dark" }],
    ["chat-phone.png", { viewport: { width: 360, height: 720 }, colorScheme: "light" }],
  ]) {
    const { page, close } = await open(options);
    await page.getByLabel("Message", { exact: true }).fill("Why is batching good for a server?");
    await page.keyboard.press("Enter");
    await page.locator(".actions .facts").waitFor();
    await shot(page, name);
    await close();
  }
}

// Two readers, then eight, then two again.
async function dashboardPictures(newPage, folder) {
  const { page, url, close } = await newPage({ viewport: { width: 1240, height: 1000 } });
  await page.goto(`${url}dashboard`);
  for (const width of [2, 8, 2]) {
    const work = load(url, width);
    await page.waitForTimeout(15000);
    await work.stop();
  }
  await page.screenshot({ path: path.join(folder, "dashboard.png") });
  await close();
}
