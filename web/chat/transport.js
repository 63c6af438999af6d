// Runs one generation: over the WebSocket where there is one, else by fetch and server-sent events.
import { keyHeaders } from "/common/key.js";
import { jsonEvents } from "/common/sse.js";
import { retryAfterMs } from "./back_off.js";

export const chat_path = "/v1/chat/completions";

// Handlers as in socket.js; returns a function that cancels.
export function generate(body, { socket, key }, handlers) {
  if (socket?.isOpen) return socket.generate(chat_path, body, handlers);
  return generateByFetch(body, key, handlers);
}

function generateByFetch(body, key, handlers) {
  const controller = new AbortController();
  const seen = { finish_reason: null, usage: null };
  readEvents(body, key, controller.signal, seen, handlers)
    .then((error) => error ? handlers.error(error) : handlers.finished(seen))
    .catch((error) => {
      if (controller.signal.aborted) handlers.finished({ ...seen, finish_reason: "cancelled" });
      else handlers.error({ status: 0, message: `The server cannot be reached: ${error.message}` });
    });
  return () => controller.abort();
}

// Null, or why it failed.
async function readEvents(body, key, signal, seen, handlers) {
  const response = await fetch(chat_path, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...keyHeaders(key) },
    body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
    signal,
  });
  if (!response.ok) return refusalOf(response);
  handlers.accepted(response.headers.get("X-Request-Id"));
  for await (const event of jsonEvents(response)) {
    if (event.error) return { status: 0, ...event.error };
    seen.finish_reason = event.choices?.[0]?.finish_reason ?? seen.finish_reason;
    seen.usage = event.usage ?? seen.usage;
    handlers.data(event);
  }
  if (seen.finish_reason === null)
    return { status: 0, message: "The connection was lost before the answer ended." };
  return null;
}

async function refusalOf(response) {
  const answer = await response.json().catch(() => ({}));
  const message = answer.error?.message ?? `The server answered ${response.status}.`;
  const retry_after_ms = retryAfterMs(response.headers.get("Retry-After"));
  return { ...answer.error, status: response.status, message, retry_after_ms };
}
