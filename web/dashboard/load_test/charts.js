// The charts of a running load test: what each shows.
import { count, seconds } from "../format.js";

const of = (name, key) => ({ name, of: (frame) => frame[key] });
const percentiles = (key) => [50, 95, 99].map((q) => of(`p${q}`, `${key}_p${q}`));

export const charts = [
  { title: "Requests of the test, per second", form: count,
    series: [of("answered", "succeeded"), of("due", "due")] },
  { title: "First token, as the test sees it", form: seconds, series: percentiles("ttft") },
  { title: "Token gaps, as the test sees them", form: seconds, series: percentiles("itl") },
  { title: "Requests of the test in flight", form: count, series: [of("in flight", "in_flight")] },
  { title: "Tokens of the test, per second", form: count, series: [of("tokens", "tokens")] },
  { title: "Failures and rejections, per second", form: count,
    series: [of("failed", "failed"), of("rejected", "rejected")] },
];
