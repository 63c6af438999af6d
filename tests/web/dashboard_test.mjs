// The dashboard's arithmetic: Prometheus' text, percentiles of what came in between, rates.
import assert from "node:assert/strict";
import test from "node:test";
import { byteTicks, bytes, count, known, percent, seconds, spanOf, ticks, timeTicks }
  from "../../web/dashboard/format.js";
import { Frames } from "../../web/dashboard/frames.js";
import { bucketsBetween, bucketsOf, quantile } from "../../web/dashboard/histogram.js";
import { byLabel, parseMetrics, sumOf } from "../../web/dashboard/metrics_text.js";

test("samples with and without labels, odd values, odd labels", () => {
  const metrics = parseMetrics([
    "# HELP a Words.", "# TYPE a counter", 'a{model_name="x",reason="full"} 3',
    'a{model_name="x",reason="late"} 4 1700000000', "b 1.5e3", "c NaN", "d +Inf", "e{} 7",
    'f{path="a\\\\b\\"}{\\n",x="1"} 2', "no value", "{} 1", "",
  ].join("\n"));
  assert.equal(sumOf(metrics, "a"), 7);
  assert.deepEqual(byLabel(metrics, "a", "reason"),
                   [{ key: "late", value: 4 }, { key: "full", value: 3 }]);
  assert.equal(sumOf(metrics, "b"), 1500);
  assert.equal(sumOf(metrics, "c"), undefined);
  assert.equal(sumOf(metrics, "d"), Infinity);
  assert.equal(sumOf(metrics, "e"), 7);
  assert.deepEqual(metrics.get("f")[0].labels, { path: 'a\\b"}{\n', x: "1" });
  assert.deepEqual([...metrics.keys()], ["a", "b", "d", "e", "f"]);
  assert.equal(sumOf(metrics, "z"), undefined);
});

test("quantiles are linear within a bucket", () => {
  const buckets = [[1, 10], [2, 20], [4, 20], [Infinity, 20]];
  assert.equal(quantile(buckets, 0.5), 1);
  assert.equal(quantile(buckets, 0.25), 0.5);
  assert.equal(quantile(buckets, 0.75), 1.5);
  assert.equal(quantile(buckets, 1), 2);
  assert.equal(quantile([[1, 0], [2, 0], [Infinity, 5]], 0.5), 2);
  assert.equal(quantile([[1, 0], [Infinity, 0]], 0.5), null);
  assert.equal(quantile([], 0.5), null);
});

test("only what came in between counts, or everything after a new start", () => {
  assert.deepEqual(bucketsBetween([[1, 5], [2, 9]], [[1, 6], [2, 12]]), [[1, 1], [2, 3]]);
  assert.deepEqual(bucketsBetween([[1, 5], [2, 9]], [[1, 1], [2, 1]]), [[1, 1], [2, 1]]);
  assert.deepEqual(bucketsBetween([], [[1, 1]]), [[1, 1]]);
});

test("the buckets of all label sets are one histogram, in order of their bounds", () => {
  const metrics = parseMetrics('h_bucket{a="1",le="+Inf"} 3\nh_bucket{a="1",le="0.5"} 1\n' +
    'h_bucket{a="2",le="0.5"} 1\nh_bucket{a="2",le="+Inf"} 1\n');
  assert.deepEqual(bucketsOf(metrics, "h"), [[0.5, 2], [Infinity, 4]]);
});

const reading = (tokens, buckets) => parseMetrics(
  `vllm:num_requests_running 2\nvllm:generation_tokens_total ${tokens}\n` +
  `vllm:time_to_first_token_seconds_bucket{le="1"} ${buckets}\n` +
  `vllm:time_to_first_token_seconds_bucket{le="+Inf"} ${buckets}\n`);

test("rates are per second, also over a pause and after a new start of the server", () => {
  const frames = new Frames();
  frames.add(0, reading(100, 0));
  assert.equal(frames.latest.generated_rate, null);
  frames.add(1000, reading(150, 4));
  assert.equal(frames.latest.generated_rate, 50);
  assert.equal(frames.latest.running, 2);
  assert.equal(frames.latest.ttft_p50, 0.5);
  assert.equal(frames.latest.waiting, undefined);
  assert.equal(frames.latest.prompt_rate, null);
  frames.add(11000, reading(250, 4));
  assert.equal(frames.latest.generated_rate, 10);
  frames.add(12000, reading(30, 1));
  assert.equal(frames.latest.generated_rate, 30);
  frames.add(12100, reading(30, 1));
  assert.equal(frames.latest.generated_rate, 30000 / 1100);
});

test("a gateway's replicas are counted by what they do", () => {
  const frames = new Frames();
  frames.add(0, parseMetrics(
    'troupe_replicas{state="ready"} 2\ntroupe_replicas{state="starting"} 1\n'));
  assert.equal(frames.latest.replicas_ready, 2);
  assert.equal(frames.latest.replicas_starting, 1);
  frames.add(1000, parseMetrics("troupe_load 0.5\n"));
  assert.equal(frames.latest.replicas_ready, undefined);
});

test("percentiles forget after a minute, frames after five", () => {
  const frames = new Frames();
  frames.add(0, reading(0, 0));
  frames.add(1000, reading(0, 4));
  frames.add(62000, reading(0, 4));
  assert.equal(frames.latest.ttft_p50, null);
  for (let time = 63000; time <= 400000; time += 1000) frames.add(time, reading(0, 4));
  assert.equal(frames.list[0].time, 100000);
  assert.equal(frames.list.length, 301);
});

test("numbers for people", () => {
  assert.deepEqual([0, 7, 2.25, 123.4, 12345, 3.2e6].map(count),
                   ["0", "7", "2.3", "123", "12.3 k", "3.2 M"]);
  assert.deepEqual([0, 0.0042, 0.25, 3, 120].map(seconds),
                   ["0 ms", "4.2 ms", "250 ms", "3.00 s", "2.0 min"]);
  assert.deepEqual([512, 2048, 5e9].map(bytes), ["512 B", "2.0 KiB", "4.7 GiB"]);
  assert.equal(percent(0.5), "50 %");
  assert.equal(known(count, undefined), "–");
  assert.equal(known(count, null), "–");
});

test("the time axis grows from one minute to five", () => {
  assert.deepEqual([0, 59000, 61000, 200000, 900000].map((last) => spanOf(0, last, 300000)),
                   [60000, 60000, 90000, 210000, 300000]);
  assert.deepEqual(timeTicks(60000).map(({ text }) => text),
                   ["now", "−15 s", "−30 s", "−45 s", "−60 s"]);
  assert.deepEqual(timeTicks(210000).map(({ text }) => text),
                   ["now", "−1 min", "−2 min", "−3 min"]);
});

test("an axis has round marks that reach the largest value", () => {
  assert.deepEqual(ticks(100), [0, 25, 50, 75, 100]);
  assert.deepEqual(ticks(7), [0, 2, 4, 6, 8]);
  assert.deepEqual(ticks(0), [0, 1]);
  assert.deepEqual(ticks(NaN), [0, 1]);
  assert.deepEqual(byteTicks(545 * 1024 ** 2).map(bytes),
                   ["0 B", "200 MiB", "400 MiB", "600 MiB"]);
  assert.deepEqual(byteTicks(0), [0, 1]);
  for (const largest of [0.0013, 0.7, 3, 19, 101, 98765]) {
    const marks = ticks(largest);
    assert.ok(marks[marks.length - 1] >= largest * 0.999 && marks.length <= 6, String(marks));
  }
});
