// The chat page with the real server and its demo model behind it: nothing is mocked.
import assert from "node:assert/strict";

// Why the scenario cannot be played on this server, or nothing: `more` is what the request needs.
async function lack(url, more = {}) {
  const body = { messages: [{ role: "user", content: "Hi" }], max_tokens: 4, ...more };
  const response = await fetch(`${url}v1/chat/completions`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  });
  return response.ok ? null : `skipped: ${(await response.json()).error.message}`;
}

const lastAnswer = (page) => page.locator(".turn.assistant").last();

async function ask(page, text) {
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.keyboard.press("Enter");
  await lastAnswer(page).locator(".facts").waitFor();
}

// The frames of the page's WebSocket, both ways.
function framesOf(page) {
  const frames = { sent: [], received: [] };
  page.on("websocket", (socket) => {
    const note = (list) => ({ payload }) => list.push(JSON.parse(payload));
    socket.on("framesent", note(frames.sent));
    socket.on("framereceived", note(frames.received));
  });
  return frames;
}

const connected = (page, url) => Promise.all([page.waitForEvent("websocket"), page.goto(url)]);

async function talks({ page, url }) {
  const reason = await lack(url);
  if (reason) return reason;
  const frames = framesOf(page);
  await connected(page, url);
  await page.getByText(/You talk to demo with a context of \d+ tokens/).waitFor();
  await ask(page, "Hello! Who are you?");
  assert.match(await lastAnswer(page).locator(".answer").textContent(), /\w{3}/);
  const facts = await lastAnswer(page).locator(".facts").textContent();
  assert.match(facts, /TTFT \d+ ms.*\d+ tokens.*finished/);
  assert.ok(frames.received.some(({ type }) => type === "accepted"), "not over the WebSocket");
  assert.ok(frames.received.some(({ type }) => type === "tokens"));
  await ask(page, "你好,你是谁?");
  assert.match(await lastAnswer(page).locator(".answer").textContent(), /[\u4e00-\u9fff]/);
  const { messages } = frames.sent.filter(({ type }) => type === "generate")[1].body;
  assert.deepEqual(messages.map(({ role }) => role), ["user", "assistant", "user"]);
  await page.reload();
  await page.getByText("你好,你是谁?").first().waitFor();
  assert.equal(await page.locator(".turn").count(), 4);
  return null;
}

async function obeysTheSettings({ page, url }) {
  const reason = await lack(url);
  if (reason) return reason;
  await connected(page, url);
  await page.getByText(/with a context of \d+ tokens/).waitFor();
  await page.getByRole("button", { name: "Settings" }).click();
  const tokens = page.getByLabel("Max tokens");
  await tokens.fill("99999");
  await page.getByText("Max tokens must be a whole number from 1 to 4,096.").waitFor();
  await tokens.fill("3");
  await page.getByLabel("Temperature").fill("0");
  await page.getByLabel("Stop strings").fill("zzz");
  await page.getByRole("button", { name: "Done" }).click();
  await ask(page, "Tell me a story about a lighthouse.");
  assert.match(await lastAnswer(page).locator(".facts").textContent(),
               /3 tokens.*token limit reached/);
  return null;
}

async function fallsBackToEvents({ page, url }) {
  const reason = await lack(url);
  if (reason) return reason;
  await page.addInitScript(() => {
    window.WebSocket = class {
      static OPEN = 1;
      constructor() { setTimeout(() => this.onclose(), 0); }
    };
  });
  await page.goto(url);
  await ask(page, "Hello! Who are you?");
  assert.match(await lastAnswer(page).locator(".facts").textContent(), /\d+ tokens.*finished/);
  return null;
}

async function makesJson({ page, url }) {
  const json_schema = { name: "answer", strict: true, schema: { type: "boolean" } };
  const reason = await lack(url, { response_format: { type: "json_schema", json_schema } });
  if (reason) return reason;
  await connected(page, url);
  await page.getByRole("button", { name: "Review to JSON" }).click();
  await lastAnswer(page).locator(".facts").waitFor();
  const value = JSON.parse(await lastAnswer(page).locator("pre").textContent());
  assert.ok(["positive", "negative", "neutral", "mixed"].includes(value.sentiment));
  assert.ok(value.aspects.every(({ aspect }) => typeof aspect === "string"));
  return null;
}

export const realScenarios = [
  ["a talk with the demo model, over the WebSocket", talks],
  ["settings reach the model", obeysTheSettings],
  ["the demo model by server-sent events", fallsBackToEvents],
  ["a review becomes JSON", makesJson],
];
