// Answers in the server's place, for what a real model does not say on demand. Every frame is one
// of docs/websocket.md.

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const chunk = (content, finish_reason = null) => ({
  id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: "demo",
  choices: [{ index: 0, delta: content === null ? {} : { content }, finish_reason }],
});

// answer(body, seen) gives {pieces, warnings, pace_ms, gate, error, drops}: pieces come at their
// pace, those from gate.at on when the promise gate.opens is kept. The returned object collects the
// frames.
export async function mockSocket(page, answer) {
  const seen = { frames: [] };
  await page.routeWebSocket("**/ws", (socket) => {
    const cancelled = new Set();
    socket.onMessage((text) => {
      const frame = JSON.parse(text);
      seen.frames.push(frame);
      if (frame.type === "cancel") cancelled.add(frame.id);
      if (frame.type === "generate") run(socket, frame, cancelled, answer(frame.body, seen));
    });
  });
  return seen;
}

async function run(socket, { id }, cancelled, script) {
  const send = (frame) => socket.send(JSON.stringify({ id, ...frame }));
  if (script.error) return send({ type: "error", error: script.error });
  send({ type: "accepted", request_id: "r-1" });
  let num_tokens = 0;
  for (const piece of script.pieces) {
    if (script.gate?.at === num_tokens) await script.gate.opens;
    if (cancelled.has(id)) break;
    const warnings = num_tokens === 0 && script.warnings ? { warnings: script.warnings } : {};
    send({ type: "tokens", data: { ...chunk(piece), ...warnings } });
    ++num_tokens;
    if (script.pace_ms) await pause(script.pace_ms);
  }
  if (script.drops) return socket.close({ code: 1011, reason: "gone" });
  const reason = cancelled.has(id) ? "cancelled" : "stop";
  const usage = { prompt_tokens: 5, completion_tokens: num_tokens, total_tokens: num_tokens + 5,
                  cached_tokens: 0 };
  return send({ type: "finished", finish_reason: reason, usage,
                timings: { ttft_ms: 1, total_ms: 2 } });
}
