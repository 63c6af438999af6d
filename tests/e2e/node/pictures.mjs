// The pictures of the documents.
import path from "node:path";
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
  const shot = (page, name) => page.screenshot({ path: path.join(folder, name) });
  const open = async (options) => {
    const stage = await newPage(options);
    await mockSocket(stage.page, () => ({ pieces: story.split(/(?<= )/), pace_ms: 3 }));
    await stage.page.goto(stage.url);
    return stage;
  };
  for (const [name, options] of [
    ["chat-light.png", { viewport: { width: 1100, height: 760 }, colorScheme: "light" }],
    ["chat-dark.png", { viewport: { width: 1100, height: 760 }, colorScheme: "dark" }],
    ["chat-phone.png", { viewport: { width: 360, height: 720 }, colorScheme: "light" }],
  ]) {
    const { page, close } = await open(options);
    await shot(page, name.replace(".png", "-empty.png"));
    await page.getByLabel("Message", { exact: true }).fill("Why is batching good for a server?");
    await page.keyboard.press("Enter");
    await page.locator(".actions .facts").waitFor();
    await shot(page, name);
    await page.getByRole("button", { name: "Settings" }).click();
    await shot(page, name.replace(".png", "-settings.png"));
    await close();
  }
}
