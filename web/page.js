"use strict";
// Streams one answer of POST /generate into the page.
const at = (id) => document.getElementById(id);
let running = null;

// Qwen2.5's chat form of a single turn.
function promptText() {
  const text = at("prompt").value;
  if (at("form-of-prompt").value === "plain") return text;
  return `<|im_start|>user\n${text}<|im_end|>\n<|im_start|>assistant\n`;
}

function setRunning(controller) {
  running = controller;
  at("send").disabled = controller !== null;
  at("stop").disabled = controller === null;
}

async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    pending += value;
    const parts = pending.split("\n\n");
    pending = parts.pop();
    for (const part of parts) {
      const data = part.replace(/^data: /, "");
      if (data !== "[DONE]") yield JSON.parse(data);
    }
  }
}

async function generate() {
  const start = performance.now();
  let firstToken = 0;
  const controller = new AbortController();
  setRunning(controller);
  at("answer").textContent = "";
  at("facts").textContent = "";
  const response = await fetch("/generate", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      prompt: promptText(),
      max_tokens: Number(at("max_tokens").value),
      temperature: Number(at("temperature").value),
      stream: true,
    }),
    signal: controller.signal,
  });
  if (!response.ok) throw new Error((await response.json()).error.message);
  for await (const event of events(response)) {
    if (event.error) throw new Error(event.error.message);
    firstToken ||= performance.now();
    at("answer").textContent += event.text;
    if (!event.usage) continue;
    const tokens = event.usage.completion_tokens;
    const seconds = (performance.now() - firstToken) / 1000;
    at("facts").textContent = `${tokens} tokens, first after ${Math.round(firstToken - start)} ms, ` +
      `${(tokens / seconds).toFixed(0)} tokens/s, finished: ${event.finish_reason}`;
  }
}

at("form").addEventListener("submit", (event) => {
  event.preventDefault();
  generate()
    .catch((error) => { at("facts").textContent = error.name === "AbortError" ? "stopped" : error.message; })
    .finally(() => setRunning(null));
});
at("stop").addEventListener("click", () => running?.abort());
