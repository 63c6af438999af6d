// What the load test's panel of the dashboard decides: bodies of its form, frames of its charts.
import assert from "node:assert/strict";
import test from "node:test";
import { bodyOf, commonFields, fieldOf, fields, plans, rareFields }
  from "../../web/dashboard/load_test/fields.js";
import { Progress, clausesOf, factsOf, inWords, verdictOf }
  from "../../web/dashboard/load_test/progress.js";

const firstValues = (plan) => Object.fromEntries(
  [...plan.fields, ...commonFields, ...rareFields].map(
    (name) => [name, fieldOf(plan.name, name).first]));

test("every field of every plan is known, and none stands in a form twice", () => {
  for (const plan of plans) {
    const names = [...plan.fields, ...commonFields, ...rareFields];
    assert.equal(new Set(names).size, names.length, plan.name);
    for (const name of names) {
      assert.ok(fields[name], name);
      assert.notEqual(fieldOf(plan.name, name).label, undefined, name);
      assert.notEqual(fieldOf(plan.name, name).first, undefined, name);
    }
  }
});

test("a body has the fields of its plan, and nothing that is empty", () => {
  const body = bodyOf("rate", { ...firstValues(plans[0]), slo: "  ", users: "9", rate: " 2 ",
                                max_tokens: "", stream: false });
  assert.deepEqual(body, { rate: "2", arrival: "poisson", duration: "30s", prompt_words: "128",
                           stream: false, api: "chat", seed: "0", warm_up: "0s",
                           max_requests: "100000", ignore_eos: false });
});

test("only plans of the load tester are asked for by name", () => {
  assert.equal(bodyOf("users", {}).plan, undefined);
  for (const name of ["sweep", "concurrency", "spike", "ramp", "soak", "seed"])
    assert.equal(bodyOf(name, {}).plan, name);
});

test("a load that is either begins with one of the two", () => {
  for (const name of ["spike", "ramp", "soak"]) {
    assert.equal(fieldOf(name, "users").first, "");
    assert.equal(fieldOf(name, "rate").first, "5");
  }
  assert.equal(fieldOf("users", "users").first, "5");
  assert.equal(fieldOf("soak", "duration").first, "20m");
  assert.equal(fieldOf("ramp", "duration").first, "30s");
});

const point = (second, more = {}) => ({
  second, due: 5, succeeded: 4, failed: 1, rejected: 0, in_flight: 2, output_tokens: 64,
  ttft: { p50_ms: 20, p95_ms: 30, p99_ms: 40 }, itl: {}, ...more });
const answer = (id, progress_from, progress) => ({ id, started_at: 1000, progress_from, progress });

test("seconds become frames, each once, and another test begins anew", () => {
  const seen = new Progress();
  seen.add(answer("1", 0, [point(0), point(1)]));
  assert.equal(seen.next, 2);
  seen.add(answer("1", 1, [point(1), point(2, { rejected: 3 })]));
  assert.equal(seen.next, 3);
  assert.deepEqual(seen.frames.map(({ time }) => time), [1001000, 1002000, 1003000]);
  assert.deepEqual(seen.totals, { due: 15, succeeded: 12, failed: 3, rejected: 3, tokens: 192 });
  assert.equal(seen.frames[0].ttft_p99, 0.04);
  assert.equal(seen.frames[0].itl_p50, null);
  seen.add(answer("2", 0, [point(0)]));
  assert.equal(seen.frames.length, 1);
  assert.equal(seen.totals.succeeded, 4);
});

test("what is not shown any more is not kept, but counted", () => {
  const seen = new Progress();
  seen.add(answer("1", 0, Array.from({ length: 400 }, (_, i) => point(i))));
  assert.equal(seen.frames.length, 301);
  assert.equal(seen.totals.due, 2000);
  // The server, too, forgets the first lines of a long test.
  seen.add(answer("1", 500, [point(500)]));
  assert.equal(seen.next, 501);
});

test("the facts of the moment, and dashes before the first second", () => {
  const seen = new Progress();
  seen.add(answer("1", 0, []));
  const none = factsOf(seen);
  assert.equal(none.find(({ name }) => name === "First token").value, "–");
  assert.equal(none.find(({ name }) => name === "Failed").value, "0");
  seen.add(answer("1", 0, [point(0), point(1, { in_flight: 7 })]));
  const now = Object.fromEntries(
    factsOf(seen).map(({ name, value, note }) => [name, [value, note]]));
  assert.deepEqual(now["First token"], ["20 ms", "p99 40 ms"]);
  assert.deepEqual(now["Token gap"], ["–", "p99 –"]);
  assert.deepEqual(now.Answers, ["4", "per second, of 5 due"]);
  assert.equal(now["In flight"][0], "7");
  assert.equal(now.Succeeded[0], "8");
});

test("badges tell the state, then the verdict", () => {
  const of = (state, verdict = null, was_stopped = false) => {
    const { text, kind } = verdictOf({ state, verdict, was_stopped });
    return `${kind}: ${text}`;
  };
  assert.equal(of("running"), "open: running");
  assert.equal(of("stopping", null, true), "open: stopping");
  assert.equal(of("finished", "passed"), "good: passed");
  assert.equal(of("finished", "passed", true), "good: passed, stopped");
  assert.equal(of("finished", "slo missed"), "bad: slo missed");
  assert.equal(of("finished", "generator overloaded"), "bad: generator overloaded");
  assert.equal(of("failed"), "bad: failed");
  assert.equal(of("failed", null, true), "bad: stopped");
});

test("clauses and flags in words", () => {
  assert.deepEqual(clausesOf(null), []);
  assert.deepEqual(clausesOf({ slo: [{ clause: "rps>5", is_met: false }] }),
                   [{ text: "rps>5: missed", is_met: false }]);
  assert.equal(inWords(["--rate=5", "--max-requests=100000", "--no-stream", "--slo=ttft_p99<2s"]),
               "rate 5, no stream, slo ttft_p99<2s");
});
