// The sampling controls: what the server accepts, and how what was typed becomes its fields. Left
// empty, a control sends nothing and the server's own default holds.

const max_int32 = 2147483647;
const max_stops = 16;
const max_stop_bytes = 256;

// A bound with `above` is not itself allowed.
export const controls = [
  { name: "temperature", label: "Temperature", min: 0, max: 2,
    hint: "0 always takes the likeliest token" },
  { name: "max_tokens", label: "Max tokens", min: 1, max: max_int32, isInteger: true,
    hint: "the longest answer" },
  { name: "top_p", label: "Top p", min: 0, above: true, max: 1,
    hint: "share of probability to choose from" },
  { name: "top_k", label: "Top k", min: 0, max: max_int32, isInteger: true,
    hint: "0: no limit" },
  { name: "min_p", label: "Min p", min: 0, max: 1,
    hint: "relative to the likeliest token" },
  { name: "seed", label: "Seed", min: 0, max: Number.MAX_SAFE_INTEGER, isInteger: true,
    hint: "the same seed, the same answer" },
  { name: "frequency_penalty", label: "Frequency penalty", min: -2, max: 2,
    hint: "against repeated tokens, by count" },
  { name: "presence_penalty", label: "Presence penalty", min: -2, max: 2,
    hint: "against tokens that occurred" },
  { name: "repetition_penalty", label: "Repetition penalty", min: 0, above: true, max: 2,
    hint: "1: none; counts the prompt, too" },
];

const number = (value) => value.toLocaleString("en", { useGrouping: true });

export function rangeText({ min, max, above, isInteger }) {
  const from = above ? `above ${number(min)}` : `from ${number(min)}`;
  if (max >= max_int32) return isInteger ? `a whole number ${from}` : from;
  return `${isInteger ? "a whole number " : ""}${from} to ${number(max)}`;
}

// {value} or {error}; {} when nothing was typed.
export function readControl(control, text) {
  const typed = text.trim();
  if (typed === "") return {};
  const value = Number(typed);
  const isIn = control.above ? value > control.min : value >= control.min;
  if (!(isIn && value <= control.max) || (control.isInteger && !Number.isInteger(value)))
    return { error: `${control.label} must be ${rangeText(control)}.` };
  return { value };
}

// One stop string a line; \n, \t and \\ stand for what cannot be typed there.
export function readStops(text) {
  const stops = text.split("\n").filter((line) => line !== "").map(unescaped);
  if (stops.length > max_stops) return { error: `At most ${max_stops} stop strings.` };
  const encoder = new TextEncoder();
  if (stops.some((stop) => encoder.encode(stop).length > max_stop_bytes))
    return { error: `A stop string has at most ${max_stop_bytes} bytes.` };
  return stops.length > 0 ? { value: stops } : {};
}

function unescaped(line) {
  const meaning = { n: "\n", t: "\t", "\\": "\\" };
  return line.replace(/\\(.)/g, (all, c) => meaning[c] ?? all);
}

// The controls with the model's own limit, where it is known.
export function controlsFor(max_model_len) {
  return controls.map((control) => control.name === "max_tokens" && max_model_len > 0
    ? { ...control, max: max_model_len } : control);
}
