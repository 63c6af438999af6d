// The numbers of this moment.
import { el } from "/common/dom.js";
import { count, known, percent, seconds } from "../format.js";

const share = (part, whole) => (whole > 0 ? part / whole : null);
const outOf = (value, form) => (value > 0 ? `of ${form(value)}` : "");

const tiles = [
  { name: "Running", of: (f) => known(count, f.running), note: (f) => outOf(f.max_running, count) },
  { name: "Waiting", of: (f) => known(count, f.waiting) },
  { name: "Generated", of: (f) => known(count, f.generated_rate), note: () => "tokens/s" },
  { name: "Prompts", of: (f) => known(count, f.prompt_rate), note: () => "tokens/s" },
  { name: "Requests", of: (f) => known(count, f.finished_rate), note: () => "ended/s" },
  { name: "First token", of: (f) => known(seconds, f.ttft_p50),
    note: (f) => `p95 ${known(seconds, f.ttft_p95)}` },
  { name: "KV pages", of: (f) => known(percent, share(f.pages_used, f.pages)),
    note: (f) => `used ${outOf(f.pages, count)}` },
  { name: "Prefix hits", of: (f) => known(percent, f.hit_rate), note: () => "last minute" },
  { name: "Preempted", of: (f) => known(count, f.totals.preemptions), note: () => "since start" },
  { name: "Refused", of: (f) => known(count, f.totals.refused), note: () => "since start" },
];

export class Tiles {
  #cells;

  constructor(list) {
    this.#cells = tiles.map(({ name }) => {
      const value = el("dd", { class: "value" }, "–");
      const note = el("dd", { class: "quiet-text" });
      list.append(el("div", { class: "card tile" }, el("dt", {}, name), value, note));
      return { value, note };
    });
  }

  draw(frame) {
    tiles.forEach(({ of, note }, i) => {
      this.#cells[i].value.textContent = of(frame);
      this.#cells[i].note.textContent = note?.(frame) ?? "";
    });
  }
}
