// What a reader does on the chat page, and what they must see.
import assert from "node:assert/strict";
import { checkContrast, checkNames } from "./checks.mjs";
import { mockSocket } from "./mock.mjs";

const words = (count) => Array.from({ length: count }, (_, i) => `word${i} `);
const answer = (page) => page.locator(".turn.assistant .answer").last();
const foot = (page) => page.locator(".turn.assistant .foot").last();

async function ask(page, text) {
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.keyboard.press("Enter");
}

const ended = (page) => foot(page).locator(".actions").waitFor();

async function streams({ page, url }) {
  let open;
  const gate = { at: 35, opens: new Promise((resolve) => { open = resolve; }) };
  const seen = await mockSocket(page, () => ({ pieces: words(40), gate, pace_ms: 1 }));
  await page.goto(url);
  await ask(page, "Count");
  await page.getByText("word34").waitFor();
  assert.ok(!(await answer(page).textContent()).includes("word35"));
  open();
  await ended(page);
  assert.match(await answer(page).textContent(), /^word0 .*word39/);
  assert.match(await foot(page).textContent(), /TTFT \d+ ms.*\d+ tokens\/s.*40 tokens.*finished/);
  const [first] = seen.frames;
  assert.equal(first.path, "/v1/chat/completions");
  assert.deepEqual(first.body.messages, [{ role: "user", content: "Count" }]);
  assert.ok(seen.frames.some((frame) => frame.type === "credit"), "no credit was granted");
  assert.match(await page.locator("#announcer").textContent(), /word39/);
}

async function stops({ page, url }) {
  await mockSocket(page, () => ({ pieces: words(2000), pace_ms: 10 }));
  await page.goto(url);
  await ask(page, "Count");
  await page.getByText("word3").waitFor();
  await page.keyboard.press("Escape");
  await page.getByText("You stopped this answer.").waitFor();
  await page.getByRole("button", { name: "Send" }).waitFor();
  assert.ok(!(await answer(page).textContent()).includes("word1999"));
}

async function restores({ page, url }) {
  await mockSocket(page, () => ({ pieces: words(2000), pace_ms: 10 }));
  await page.goto(url);
  await ask(page, "Count for me");
  await page.getByText("word9").waitFor();
  await page.reload();
  await page.getByText("This answer was cut off").waitFor();
  assert.match(await answer(page).textContent(), /^word0 word1/);
  await page.getByRole("button", { name: "New chat", exact: true }).click();
  await page.getByText("What shall we talk about?").waitFor();
  await page.getByRole("button", { name: "Count for me", exact: true }).click();
  await page.getByText("word9").waitFor();
  await page.getByRole("button", { name: "Delete Count for me", exact: true }).click();
  await page.getByRole("button", { name: "Really delete" }).click();
  await page.getByText("Kept in this browser only.").waitFor();
}

async function editsAndRegenerates({ page, url }) {
  const seen = await mockSocket(page, (_, { frames }) =>
    ({ pieces: [`answer ${frames.filter(({ type }) => type === "generate").length}`] }));
  await page.goto(url);
  await ask(page, "First");
  await page.getByText("answer 1", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Regenerate" }).click();
  await page.getByText("answer 2", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Edit" }).click();
  await page.getByLabel("Edit your message").fill("Second");
  await page.keyboard.press("Enter");
  await page.getByText("answer 3", { exact: true }).waitFor();
  assert.equal(await page.locator(".turn").count(), 2);
  assert.equal(await page.evaluate(() => document.activeElement.id), "prompt");
  const bodies = seen.frames.filter(({ type }) => type === "generate").map(({ body }) => body);
  assert.deepEqual(bodies.map(({ messages }) => messages.map(({ content }) => content)),
                   [["First"], ["First"], ["Second"]]);
}

async function asksForJson({ page, url }) {
  const text = '{"sentiment":"mixed","aspects":[{"aspect":"sound","sentiment":"positive"}]}';
  const seen = await mockSocket(page, () => ({ pieces: [...text] }));
  await page.goto(url);
  await page.getByRole("button", { name: "JSON schema" }).click();
  const schema = page.getByLabel("Schema of the answer");
  await schema.fill("{");
  await page.getByText("not valid JSON").waitFor();
  await ask(page, "A review");
  assert.equal(seen.frames.length, 0, "a broken schema was sent");
  await page.getByRole("button", { name: "Example" }).click();
  await page.getByRole("button", { name: "Send" }).click();
  await ended(page);
  const format = seen.frames[0].body.response_format;
  assert.equal(format.type, "json_schema");
  assert.equal(format.json_schema.strict, true);
  assert.deepEqual(format.json_schema.schema.required, ["sentiment", "aspects"]);
  assert.equal(await answer(page).locator("pre").textContent(),
               JSON.stringify(JSON.parse(text), null, 2));
}

async function tellsOfTheSchema({ page, url }) {
  const answers = [
    { error: { status: 400, param: "response_format.json_schema",
               message: "response_format.json_schema cannot be enforced: at /if: if: <b>no</b>" } },
    { pieces: ["{}"], warnings: [{ pointer: "/x-a", keyword: "x-a", reason: "is unknown" }] },
  ];
  await mockSocket(page, () => answers.shift());
  await page.goto(url);
  await page.getByRole("button", { name: "JSON schema" }).click();
  await ask(page, "A review");
  const refusal = page.locator("#schema-error");
  await refusal.getByText("The schema cannot be enforced: at /if: if: <b>no</b>").waitFor();
  assert.equal(await page.locator("#schema").getAttribute("aria-invalid"), "true");
  await ask(page, "Again");
  await page.locator("#schema-notes").getByText("Not enforced: /x-a: x-a: is unknown").waitFor();
  assert.equal(await refusal.textContent(), "");
  await page.getByRole("button", { name: "Example" }).click();
  assert.ok(await page.locator("#schema-notes").isHidden(), "notes of another schema stay");
}

async function keepsMarkupText({ page, url }) {
  const attack = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>' +
    '[x](javascript:window.hit=1)\n\n```"><img onerror=x>\n<b>code</b>\n```\n';
  await mockSocket(page, () => ({ pieces: [attack] }));
  await page.goto(url);
  await ask(page, attack);
  await ended(page);
  assert.match(await answer(page).textContent(), /<img src=x onerror="window\.hit=1"><script>/);
  const found = page.locator("#turns :is(img, script, b, a)");
  assert.equal(await found.count(), 0, "text became markup");
  assert.equal(await page.evaluate(() => window.hit), undefined);
}

async function explainsOverload({ page, url }) {
  const seen = await mockSocket(page, (_, { frames }) => frames.length === 1
    ? { error: { status: 429, message: "the queue is full" } }
    : { pieces: ["fine"] });
  await page.goto(url);
  await ask(page, "Hi");
  await page.getByText("The server is busy: the queue is full").waitFor();
  await page.getByRole("button", { name: "Try again", exact: true }).click();
  await page.getByText("fine", { exact: true }).waitFor();
  assert.equal(seen.frames.filter(({ type }) => type === "generate").length, 2);
}

async function survivesLostConnections({ page, url }) {
  await mockSocket(page, (_, { frames }) => ({ pieces: ["part "], drops: frames.length === 1 }));
  await page.goto(url);
  await ask(page, "Hi");
  await page.getByText("connection to the server was lost").first().waitFor();
  assert.match(await answer(page).textContent(), /^part/);
  await page.getByText("Connection lost, trying again").waitFor();
  await page.waitForFunction(() => document.getElementById("connection").textContent === "");
  await page.getByRole("button", { name: "Try again", exact: true }).click();
  await ended(page);
  assert.match(await foot(page).textContent(), /finished/);
}

// As in a network whose proxy does not let WebSockets through.
const forbidSockets = (page) => page.addInitScript(() => {
  window.WebSocket = class {
    static OPEN = 1;
    constructor() { setTimeout(() => this.onclose(), 0); }
  };
});

async function countsDown({ page, url }) {
  await forbidSockets(page);
  await page.route("**/v1/chat/completions", (route) => route.fulfill({
    status: 503, headers: { "Retry-After": "29" }, json: { error: { message: "shutting down" } },
  }));
  await page.goto(url);
  await ask(page, "Hi");
  await page.getByText("The server takes no requests now: shutting down").waitFor();
  const button = page.getByRole("button", { name: /Try again in \d+ s/ });
  await button.waitFor();
  assert.ok(await button.isDisabled());
  const begin = await button.textContent();
  await page.waitForFunction((was) => ![...document.querySelectorAll("#notice button")]
    .some((one) => one.textContent === was), begin);
  assert.match(await button.textContent(), /in [12]\d s/);
  await page.getByRole("button", { name: "Dismiss" }).click();
  assert.equal(await page.getByRole("button", { name: "Try again" }).count(), 0);
}

async function worksWithoutSockets({ page, url }) {
  await forbidSockets(page);
  const event = (value) => `data: ${JSON.stringify(value)}\n\n`;
  const delta = (content, finish_reason = null) =>
    event({ choices: [{ index: 0, delta: { content }, finish_reason }] });
  let headers = null;
  await page.route("**/v1/chat/completions", async (route) => {
    headers = await route.request().allHeaders();
    const body = delta("Hello ") + delta("there.", "stop") +
      event({ choices: [], usage: { completion_tokens: 2 } }) + "data: [DONE]\n\n";
    if (headers.authorization) return route.fulfill({ contentType: "text/event-stream", body });
    return route.fulfill({ status: 401, json: { error: { message: "a key is needed" } } });
  });
  await page.goto(url);
  await ask(page, "Hi");
  await page.getByRole("button", { name: "Enter the key" }).click();
  await page.getByLabel("API key").fill("secret");
  await page.getByRole("button", { name: "Done" }).click();
  await page.getByRole("button", { name: "Regenerate" }).click();
  await page.getByText("Hello there.", { exact: true }).waitFor();
  assert.equal(headers.authorization, "Bearer secret");
  const kept = await page.evaluate(() => JSON.stringify(localStorage));
  assert.ok(!kept.includes("secret"), "the key outlives the tab");
}

async function letsTheReaderScroll({ page, url }) {
  const lines = Array.from({ length: 600 }, (_, i) => `line ${i}\n\n`);
  await mockSocket(page, () => ({ pieces: lines, pace_ms: 4 }));
  await page.goto(url);
  await ask(page, "Count");
  await page.getByText("line 60", { exact: true }).waitFor();
  const scroller = page.locator("#scroller");
  await scroller.hover();
  // So little is what a smooth scroll has moved when the answer grows again.
  await page.mouse.wheel(0, -20);
  await page.getByRole("button", { name: "Latest" }).waitFor();
  const top = await scroller.evaluate((node) => node.scrollTop);
  await page.getByText("line 200", { exact: true }).waitFor({ state: "attached" });
  assert.ok(Math.abs(await scroller.evaluate((node) => node.scrollTop) - top) < 400);
  await page.getByRole("button", { name: "Latest" }).click();
  await ended(page);
  const rest = await scroller.evaluate((n) => n.scrollHeight - n.scrollTop - n.clientHeight);
  assert.ok(rest < 60, `${rest} pixels from the end`);
}

async function fitsAPhone({ page, url }) {
  const wide = "| a | b | c | d |\n|---|---|---|---|\n" +
    `| ${"wide ".repeat(20)} `.repeat(4) + "|\n\n" +
    "```\n" + "x".repeat(300) + "\n```\n" + "y".repeat(300);
  await mockSocket(page, () => ({ pieces: [wide] }));
  await page.goto(url);
  const isNarrow = () => page.evaluate(() => {
    const box = document.querySelector("#scroller");
    return document.documentElement.scrollWidth <= innerWidth && box.scrollWidth <= box.clientWidth;
  });
  assert.ok(await isNarrow(), "the empty page is too wide");
  await ask(page, "z".repeat(300));
  await ended(page);
  assert.ok(await isNarrow(), "an answer makes the page too wide");
  await page.getByRole("button", { name: "JSON schema" }).click();
  assert.ok(await isNarrow(), "the schema makes the page too wide");
  await page.getByRole("button", { name: "Conversations" }).click();
  await page.getByRole("button", { name: "New chat", exact: true }).click();
  await page.getByText("What shall we talk about?").waitFor();
  await page.getByRole("button", { name: "Settings" }).click();
  const box = await page.locator("#settings").boundingBox();
  assert.ok(box.x >= 0 && box.x + box.width <= 360.5, "the settings are too wide");
}

async function followsTheSystemsColours({ page, url }) {
  await page.goto(url);
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await ground();
  await page.emulateMedia({ colorScheme: "light" });
  await page.waitForFunction(
    (was) => getComputedStyle(document.body).backgroundColor !== was, dark);
  await page.getByRole("button", { name: "Dark colours" }).click();
  assert.equal(await ground(), dark);
  await page.reload();
  assert.equal(await ground(), dark, "the choice was forgotten");
}

// Everything that the mouse does in a visit, without it.
async function needsNoMouse({ page, url }) {
  await mockSocket(page, () => ({ pieces: words(5000), pace_ms: 10 }));
  await page.goto(url);
  const focus = () => page.evaluate(() => {
    const { id, className, textContent } = document.activeElement;
    return id || textContent.trim() || className;
  });
  assert.equal(await focus(), "prompt");
  await page.keyboard.type("Hello");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("again");
  await page.keyboard.press("Enter");
  await page.getByText("word3").waitFor();
  await page.keyboard.press("Escape");
  await page.getByText("You stopped this answer.").waitFor();
  assert.equal(await page.locator(".bubble").textContent(), "Hello\nagain");
  await page.locator("body").evaluate(() => document.activeElement.blur());
  const wanted = new Set(["new-chat", "open-settings", "theme", "scroller", "prompt", "json",
                          "send", "Regenerate"]);
  await page.evaluate(() => document.querySelector(".skip").focus());
  await page.keyboard.press("Enter");
  assert.equal(await focus(), "prompt", "the skip link leads nowhere");
  await page.evaluate(() => document.querySelector(".skip").focus());
  for (let i = 0; i < 40 && wanted.size > 0; ++i) {
    wanted.delete(await focus());
    const hasRing = await page.evaluate(() => document.activeElement === document.body ||
      document.activeElement.matches("#prompt") ||
      getComputedStyle(document.activeElement).outlineStyle !== "none");
    assert.ok(hasRing, `no visible focus on ${await focus()}`);
    await page.keyboard.press("Tab");
  }
  assert.deepEqual([...wanted], [], "Tab does not reach these");
  await page.locator("#open-settings").focus();
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  assert.equal(await focus(), "open-settings", "the dialog keeps the focus");
}

async function namesEverything({ page, url }) {
  const text = "# Title\n\n[link](https://a.example) `code`\n\n> quote\n\n```js\nx\n```\n\n" +
    "|a|b|\n|-|-|\n|1|2|";
  await mockSocket(page, () => ({ pieces: [text] }));
  await page.goto(url);
  await ask(page, "Hi");
  await ended(page);
  await page.getByRole("button", { name: "JSON schema" }).click();
  await page.getByRole("button", { name: "Settings" }).click();
  await checkNames(page);
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await checkContrast(page);
  }
}

const phone = { viewport: { width: 360, height: 640 }, hasTouch: true };

export const chatScenarios = [
  ["an answer streams in", streams],
  ["Escape stops an answer", stops],
  ["a reload restores the conversations", restores],
  ["the last question can be edited, the last answer made again", editsAndRegenerates],
  ["JSON mode sends a schema and shows the answer pretty", asksForJson],
  ["what the server says of a schema stands beside it", tellsOfTheSchema],
  ["markup in an answer stays text", keepsMarkupText],
  ["a full queue is explained and tried again", explainsOverload],
  ["Retry-After is counted down", countsDown],
  ["a lost connection is explained and made again", survivesLostConnections],
  ["without WebSocket, with a key: server-sent events", worksWithoutSockets],
  ["scrolling up stops the following", letsTheReaderScroll],
  ["360 pixels are enough", fitsAPhone, phone],
  ["colours follow the system, then the reader", followsTheSystemsColours, { colorScheme: "dark" }],
  ["the keyboard is enough", needsNoMouse],
  ["every control has a name, text has contrast", namesEverything],
];
