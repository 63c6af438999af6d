// Reads Prometheus' text form.

const meaning = { n: "\n", "\\": "\\", '"': '"' };

function readLabels(text) {
  const labels = {};
  for (const [, name, value] of text.matchAll(/([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/g))
    labels[name] = value.replace(/\\(.)/g, (all, c) => meaning[c] ?? all);
  return labels;
}

function readValue(text) {
  if (text === "+Inf") return Infinity;
  if (text === "-Inf") return -Infinity;
  return text === "" ? NaN : Number(text);
}

// Map from name to [{labels, value}]; lines that are no sample are left out.
export function parseMetrics(text) {
  const found = new Map();
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    // A label's value may hold a brace: the labels end at the last one.
    const name = /^[A-Za-z_:][\w:]*/.exec(line)?.[0];
    if (name === undefined) continue;
    const end = line[name.length] === "{" ? line.lastIndexOf("}") : name.length - 1;
    const value = readValue(line.slice(end + 1).trim().split(/\s/)[0]);
    if (end < name.length - 1 || Number.isNaN(value)) continue;
    if (!found.has(name)) found.set(name, []);
    found.get(name).push({ labels: readLabels(line.slice(name.length + 1, end)), value });
  }
  return found;
}

// The sum over all label sets; undefined when the server does not have the metric.
export function sumOf(metrics, name) {
  return metrics.get(name)?.reduce((sum, { value }) => sum + value, 0);
}

// [{key, value}] of one label, largest first.
export function byLabel(metrics, name, label) {
  const sums = new Map();
  for (const { labels, value } of metrics.get(name) ?? []) {
    const key = labels[label] ?? "all";
    sums.set(key, (sums.get(key) ?? 0) + value);
  }
  return [...sums].map(([key, value]) => ({ key, value })).sort((a, b) => b.value - a.value);
}
