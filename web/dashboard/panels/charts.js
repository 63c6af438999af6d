// The charts: what each shows. Another chart is another entry.
import { byteTicks, bytes, count, seconds } from "../format.js";

const of = (name, key) => ({ name, of: (frame) => frame[key] });
// In the legend and the table alone: as a line it would press the others to the ground.
const unseen = (name, key) => ({ ...of(name, key), isUnseen: true });
const percentiles = (key) => [50, 95, 99].map((q) => of(`p${q}`, `${key}_p${q}`));

export const charts = [
  { title: "Tokens per second", form: count,
    series: [of("generated", "generated_rate"), of("prompt", "prompt_rate")] },
  { title: "Requests", form: count, series: [of("running", "running"), of("waiting", "waiting")] },
  { title: "Time to first token", form: seconds, series: percentiles("ttft") },
  { title: "Time between tokens", form: seconds, series: percentiles("itl") },
  { title: "Time of a whole request", form: seconds, series: percentiles("e2e") },
  { title: "KV pages", form: count,
    series: [of("used", "pages_used"), of("cached", "pages_cached"), unseen("all", "pages")] },
  { title: "Requests per second", form: count,
    series: [of("ended", "finished_rate"), of("refused", "refused_rate")] },
  { title: "Replicas", form: count,
    series: [of("serve", "replicas_ready"), of("start", "replicas_starting"),
             of("stand by", "replicas_standby"), of("finish", "replicas_draining")] },
  { title: "Memory", form: bytes, marks: byteTicks,
    series: [of("resident", "resident_bytes"), of("held", "held_bytes"),
             unseen("limit", "memory_limit")] },
];
