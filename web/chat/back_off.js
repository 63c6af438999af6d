// How long to wait before the next attempt: 0.5 s, doubled up to 30 s, less a random part, so that
// many clients of a restarted server do not come at once.

const first_ms = 500;
const longest_ms = 30000;

export function backOff(attempt, random = Math.random) {
  const full = Math.min(longest_ms, first_ms * 2 ** Math.min(attempt, 16));
  return Math.round(full * (0.5 + 0.5 * random()));
}

// Retry-After in milliseconds: a number of seconds, or null.
export function retryAfterMs(header) {
  const seconds = Number(header);
  return header && Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : null;
}
