// Numbers for people, and axes with round numbers on them.

export function count(value) {
  if (value >= 1e6) return `${(value / 1e6).toFixed(value < 1e7 ? 1 : 0)} M`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(value < 1e5 ? 1 : 0)} k`;
  return value >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(1);
}

export function seconds(value) {
  if (value === 0) return "0 ms";
  if (value < 0.01) return `${(value * 1000).toFixed(1)} ms`;
  if (value < 1) return `${(value * 1000).toFixed(0)} ms`;
  return value < 100 ? `${value.toFixed(value < 10 ? 2 : 1)} s` : `${(value / 60).toFixed(1)} min`;
}

export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let step = 0;
  while (value >= 1024 && step < units.length - 1) {
    value /= 1024;
    ++step;
  }
  return `${value.toFixed(value < 10 && step > 0 ? 1 : 0)} ${units[step]}`;
}

export const percent = (value) => `${(value * 100).toFixed(value < 0.1 && value > 0 ? 1 : 0)} %`;

// Marks that are round in their own unit.
export function byteTicks(largest) {
  const unit = largest >= 1 ? 1024 ** Math.floor(Math.log(largest) / Math.log(1024)) : 1;
  return ticks(largest / unit).map((mark) => mark * unit);
}

// What is not known is a dash.
export const known = (form, value) =>
  value === null || value === undefined || Number.isNaN(value) ? "–" : form(value);

export const clock = (time) => new Date(time).toLocaleTimeString("en-GB");

// What the time axis spans: from the first reading on, at least a minute, at most `longest_ms`.
export function spanOf(first, last, longest_ms) {
  return Math.min(longest_ms, Math.max(60000, Math.ceil((last - first) / 30000) * 30000));
}

// [{ago_ms, text}] for the time axis, from now backwards.
export function timeTicks(span_ms) {
  const step = span_ms <= 60000 ? 15000 : span_ms <= 150000 ? 30000 : 60000;
  const found = [{ ago_ms: 0, text: "now" }];
  for (let ago = step; ago <= span_ms; ago += step)
    found.push({ ago_ms: ago, text: step < 60000 ? `−${ago / 1000} s` : `−${ago / 60000} min` });
  return found;
}

// 0 and up to five round numbers that reach `largest`.
export function ticks(largest) {
  if (!(largest > 0) || !Number.isFinite(largest)) return [0, 1];
  const rough = largest / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999);
  const found = [0];
  while (found[found.length - 1] < largest * 0.999) found.push(step * found.length);
  return found;
}
