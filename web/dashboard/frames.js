// From readings of /metrics to what is drawn: one frame a reading, with rates over the last seconds
// and percentiles of the last minute.
import { bucketsBetween, bucketsOf, quantile } from "./histogram.js";
import { byLabel, sumOf } from "./metrics_text.js";

export const shown_ms = 300000;
const percentile_ms = 60000;
// Readings come a second apart, give or take: over less, that would show in the rates.
const rate_ms = 3000;

const histograms = {
  ttft: "vllm:time_to_first_token_seconds",
  itl: "vllm:inter_token_latency_seconds",
  e2e: "vllm:e2e_request_latency_seconds",
};

const gauges = {
  running: "vllm:num_requests_running",
  waiting: "vllm:num_requests_waiting",
  max_running: "troupe_max_num_seqs",
  pages_used: "troupe_kv_pages_used",
  pages_cached: "troupe_kv_pages_cached",
  pages: "troupe_kv_pages",
  load: "troupe_load",
  resident_bytes: "process_resident_memory_bytes",
  held_bytes: "troupe_memory_held_bytes",
  memory_limit: "troupe_memory_limit_bytes",
};

const counters = {
  prompt_tokens: "vllm:prompt_tokens_total",
  generated_tokens: "vllm:generation_tokens_total",
  finished: "vllm:request_success_total",
  refused: "troupe_requests_refused_total",
  preemptions: "vllm:num_preemptions_total",
  prefix_queries: "vllm:prefix_cache_queries_total",
  prefix_hits: "vllm:prefix_cache_hits_total",
};

// What is kept of a reading.
function readingOf(time, metrics) {
  const reading = { time, gauges: {}, counters: {}, buckets: {} };
  for (const [key, name] of Object.entries(gauges)) reading.gauges[key] = sumOf(metrics, name);
  // Of a gateway: how many of its replicas do what.
  for (const { key, value } of byLabel(metrics, "troupe_replicas", "state"))
    reading.gauges[`replicas_${key}`] = value;
  for (const [key, name] of Object.entries(counters)) reading.counters[key] = sumOf(metrics, name);
  for (const [key, name] of Object.entries(histograms))
    reading.buckets[key] = bucketsOf(metrics, name);
  return reading;
}

// How much a counter grew; from zero when the server has started anew.
function growth(before, now, key) {
  const from = before.counters[key];
  const to = now.counters[key];
  if (from === undefined || to === undefined) return null;
  return to >= from ? to - from : to;
}

export class Frames {
  #readings = [];
  list = [];

  // Adds a reading; `time` in milliseconds.
  add(time, metrics) {
    const reading = readingOf(time, metrics);
    const before = this.#readings.find((one) => one.time >= time - rate_ms) ??
      this.#readings[this.#readings.length - 1];
    this.#readings.push(reading);
    const oldest = time - shown_ms;
    while (this.#readings[0].time < oldest) this.#readings.shift();
    while (this.list[0]?.time < oldest) this.list.shift();
    this.list.push({ time, ...reading.gauges, totals: reading.counters,
                     ...this.#rates(before, reading), ...this.#lastMinute(reading) });
  }

  get latest() {
    return this.list[this.list.length - 1];
  }

  #rates(before, now) {
    const rate = (key) => {
      if (before === undefined || now.time <= before.time) return null;
      const grown = growth(before, now, key);
      return grown === null ? null : (grown * 1000) / (now.time - before.time);
    };
    return {
      prompt_rate: rate("prompt_tokens"),
      generated_rate: rate("generated_tokens"),
      finished_rate: rate("finished"),
      refused_rate: rate("refused"),
    };
  }

  #lastMinute(now) {
    const first = this.#readings.find(({ time }) => time >= now.time - percentile_ms);
    const values = {};
    for (const key of Object.keys(histograms)) {
      const buckets = bucketsBetween(first.buckets[key], now.buckets[key]);
      if (buckets.length === 0) continue;
      for (const q of [50, 95, 99])
        values[`${key}_p${q}`] = first === now ? null : quantile(buckets, q / 100);
    }
    const queries = growth(first, now, "prefix_queries");
    values.hit_rate = queries > 0 ? growth(first, now, "prefix_hits") / queries : null;
    return values;
  }
}
