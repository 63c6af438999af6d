// From the seconds of a load test, as the server hands them on, to what is drawn and said.
import { count, known, seconds } from "../format.js";
import { shown_ms } from "../frames.js";

const inSeconds = (ms) => (ms === null || ms === undefined ? null : ms / 1000);

function percentiles(name, of) {
  return Object.fromEntries([50, 95, 99].map(
    (q) => [`${name}_p${q}`, inSeconds(of?.[`p${q}_ms`])]));
}

function frameOf(started_at, point) {
  return {
    time: (started_at + point.second + 1) * 1000,
    due: point.due, succeeded: point.succeeded, in_flight: point.in_flight,
    tokens: point.output_tokens, failed: point.failed, rejected: point.rejected,
    ...percentiles("ttft", point.ttft), ...percentiles("itl", point.itl),
  };
}

export class Progress {
  id = null;
  next = 0;  // the first line that is not known yet
  frames = [];
  totals = {};

  // Takes one answer of GET /load_tests/ID?from=next; another test begins anew.
  add({ id, started_at, progress_from, progress }) {
    if (id !== this.id) {
      this.id = id;
      this.next = 0;
      this.frames = [];
      this.totals = { due: 0, succeeded: 0, failed: 0, rejected: 0, tokens: 0 };
    }
    progress.forEach((point, i) => {
      if (progress_from + i < this.next) return;
      const frame = frameOf(started_at, point);
      this.frames.push(frame);
      for (const key of Object.keys(this.totals)) this.totals[key] += frame[key];
    });
    this.next = Math.max(this.next, progress_from + progress.length);
    const last = this.frames[this.frames.length - 1];
    while (this.frames[0]?.time < last?.time - shown_ms) this.frames.shift();
  }
}

// The numbers of the moment: [{name, value, note}].
export function factsOf({ frames, totals }) {
  const now = frames[frames.length - 1] ?? {};
  return [
    { name: "Answers", value: known(count, now.succeeded),
      note: `per second, of ${known(count, now.due)} due` },
    { name: "First token", value: known(seconds, now.ttft_p50),
      note: `p99 ${known(seconds, now.ttft_p99)}` },
    { name: "Token gap", value: known(seconds, now.itl_p50),
      note: `p99 ${known(seconds, now.itl_p99)}` },
    { name: "Tokens", value: known(count, now.tokens), note: "per second" },
    { name: "In flight", value: known(count, now.in_flight), note: "requests" },
    { name: "Succeeded", value: known(count, totals.succeeded), note: "so far" },
    { name: "Failed", value: known(count, totals.failed), note: "so far" },
    { name: "Rejected", value: known(count, totals.rejected), note: "so far" },
  ];
}

// What the badge of a test says: {text, kind: "good" | "bad" | "open"}.
export function verdictOf({ state, verdict, was_stopped }) {
  if (state === "running") return { text: "running", kind: "open" };
  if (state === "stopping") return { text: "stopping", kind: "open" };
  if (state === "failed") return { text: was_stopped ? "stopped" : "failed", kind: "bad" };
  const text = was_stopped ? `${verdict}, stopped` : verdict;
  return { text, kind: verdict === "passed" ? "good" : "bad" };
}

// One sentence for each clause of the SLO, from the result of a test.
export function clausesOf(result) {
  return (result?.slo ?? []).map(
    ({ clause, is_met }) => ({ text: `${clause}: ${is_met ? "met" : "missed"}`, is_met }));
}

// Flags for people: "rate 5, duration 30s".
export const inWords = (flags) =>
  flags.filter((flag) => flag !== "--max-requests=100000")
    .map((flag) => flag.replace(/^--/, "").replace("=", " ").replaceAll("-", " ")).join(", ");
