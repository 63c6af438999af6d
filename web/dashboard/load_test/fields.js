// What can be asked for: the plans of `troupe bench`, the fields of each with what stands in them
// at first, and the body of POST /load_tests that they make. The server says what is wrong.

const times = "such as 30s or 10m";

export const fields = {
  rate: { label: "Rate", hint: "requests per second", first: "5" },
  users: { label: "Users", hint: "each waits for its answers", first: "5" },
  arrival: { label: "Arrival", hint: "poisson, constant or gamma:0.5", first: "poisson" },
  spawn: { label: "Spawn", hint: "users that come per second; empty: all at once", first: "" },
  think: { label: "Think time", hint: "2s, or 1..3s", first: "0s" },
  duration: { label: "Duration", hint: times, first: "30s" },
  concurrency: { label: "Concurrency", hint: "requests at a time in each stage",
                 first: "1,2,4,..,16" },
  step_users: { label: "More users in each step", first: "5" },
  max_users: { label: "Most users", first: "50" },
  stage_duration: { label: "Duration of a stage", hint: times, first: "10s" },
  knee_duration: { label: "Duration at the knee", hint: times, first: "1m" },
  spike_factor: { label: "Spike", hint: "times the load", first: "8" },
  max_rate: { label: "Greatest rate", hint: "requests per second", first: "100" },
  precision: { label: "Precision", hint: "of the rate that is found: 0.05 is 5 %", first: "0.05" },
  slo: { label: "SLO", hint: "the verdict, clause by clause", first: "success>=99%,ttft_p99<2s" },
  prompt_words: { label: "Words of a prompt", hint: "64..256, normal:200:50", first: "128" },
  max_tokens: { label: "Tokens of an answer", hint: "as the words of a prompt", first: "64" },
  api: { label: "API", options: ["chat", "completions", "generate"], first: "chat" },
  seed: { label: "Seed", hint: "the same one asks the same", first: "0" },
  warm_up: { label: "Warm-up", hint: "the first load, which does not count", first: "0s" },
  max_requests: { label: "Most requests", first: "100000" },
  stream: { label: "Stream the answers", first: true },
  ignore_eos: { label: "Answers at full length", first: false },
};

// A load that is either: the other field stays empty.
const either = { rate: { first: "5" },
                 users: { first: "", hint: "instead of the rate: each waits for its answers" } };

export const plans = [
  { name: "rate", text: "A rate, whatever is answered", fields: ["rate", "arrival", "duration"] },
  { name: "users", text: "Users who wait for answers",
    fields: ["users", "spawn", "think", "duration"] },
  { name: "sweep", text: "The greatest rate within the SLO",
    fields: ["rate", "max_rate", "precision", "stage_duration"], first: { rate: "1" } },
  { name: "concurrency", text: "A table by concurrency",
    fields: ["concurrency", "stage_duration"] },
  { name: "spike", text: "A spike", fields: ["rate", "users", "spike_factor", "stage_duration"],
    either },
  { name: "ramp", text: "A ramp in ten steps", fields: ["rate", "users", "duration"], either },
  { name: "soak", text: "The same for long", fields: ["rate", "users", "duration"], either,
    first: { duration: "20m" } },
  { name: "seed", text: "More users up to the knee", fields: ["users", "step_users", "max_users",
    "think", "stage_duration", "knee_duration"] },
];

export const commonFields = ["slo", "prompt_words", "max_tokens", "stream"];
export const rareFields = ["api", "seed", "warm_up", "max_requests", "ignore_eos"];

const planOf = (name) => plans.find((plan) => plan.name === name);

// The field as this plan has it: {name, label, hint, options, first}.
export function fieldOf(plan_name, name) {
  const plan = planOf(plan_name);
  const own = plan.first?.[name] === undefined ? {} : { first: plan.first[name] };
  return { name, ...fields[name], ...plan.either?.[name], ...own };
}

// The body of the request; `values` has a text or a boolean for each field. Nothing is sent for
// what is empty.
export function bodyOf(plan_name, values) {
  const body = plan_name === "rate" || plan_name === "users" ? {} : { plan: plan_name };
  for (const name of [...planOf(plan_name).fields, ...commonFields, ...rareFields]) {
    const value = typeof values[name] === "string" ? values[name].trim() : values[name];
    if (value !== "" && value !== undefined && value !== null) body[name] = value;
  }
  return body;
}
