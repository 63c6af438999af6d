// A line chart over time, drawn as SVG: the legend tells the values of the moment under the pointer
// or, with the arrow keys, of any moment; the same numbers stand in a table.
import { el, svg } from "/common/dom.js";
import { clock, known, spanOf, ticks, timeTicks } from "./format.js";
import { shown_ms } from "./frames.js";

const height = 170;
const left = 58;
const right = 8;
const top = 8;
const bottom = 22;
const gap_ms = 4000;   // no line over a pause
const row_ms = 10000;  // a row of the table

export class Chart {
  #panel;
  #frames = [];
  #picked = null;  // the time of the frame that is looked at; null: the latest
  #width = 400;
  #values = [];
  #drawing = svg("svg", { class: "chart", role: "img", tabindex: 0, height });
  #moment = el("span", { class: "moment" });

  // panel: {title, form, marks(largest), series: [{name, of(frame), isUnseen}]}
  constructor(panel) {
    this.#panel = panel;
    const entries = panel.series.map((one, i) => this.#entry(one, i));
    const legend = el("p", { class: "legend" }, ...entries, this.#moment);
    this.#drawing.setAttribute("aria-label", `${panel.title}: chart of the last minutes. ` +
      "The arrow keys read it.");
    this.table = el("table", {});
    this.details = el("details", { ontoggle: () => this.#drawTable() },
                      el("summary", {}, "Table"), this.table);
    this.legend = legend;
    this.node = el("section", { class: "card" }, el("h3", {}, panel.title), legend, this.#drawing,
                   this.details);
    this.#listen();
    new ResizeObserver(([entry]) => {
      this.#width = Math.max(200, Math.floor(entry.contentRect.width));
      this.draw(this.#frames);
    }).observe(this.node);
  }

  #entry({ name, isUnseen }, i) {
    const value = el("b", {}, "–");
    this.#values.push(value);
    const line = isUnseen ? null : el("i", { "aria-hidden": "true" });
    return el("span", { class: `series s${i + 1}` }, line, `${name} `, value);
  }

  #listen() {
    this.#drawing.addEventListener("pointermove", (event) => {
      const box = this.#drawing.getBoundingClientRect();
      this.#pick(this.#timeAt(event.clientX - box.left));
    });
    this.#drawing.addEventListener("pointerleave", () => this.#pick(null));
    this.#drawing.addEventListener("blur", () => this.#pick(null));
    this.#drawing.addEventListener("keydown", (event) => this.#key(event));
  }

  #key(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -30, PageDown: 30, Home: -1e9, End: 1e9 };
    const step = steps[event.key];
    if (step === undefined || this.#frames.length === 0) return;
    event.preventDefault();
    const last = this.#frames.length - 1;
    const now = this.#picked === null ? last : this.#frames.indexOf(this.#frame);
    // Spoken only when asked for: the values change every second.
    this.legend.setAttribute("aria-live", "polite");
    this.#pick(this.#frames[Math.min(last, Math.max(0, now + step))].time);
  }

  #pick(time) {
    this.#picked = time;
    if (time === null) this.legend.removeAttribute("aria-live");
    this.draw(this.#frames);
  }

  // The frame next to the picked time.
  get #frame() {
    if (this.#picked === null) return this.#frames[this.#frames.length - 1];
    const distance = (frame) => Math.abs(frame.time - this.#picked);
    return this.#frames.reduce((a, b) => (distance(b) < distance(a) ? b : a));
  }

  get #end() {
    return this.#frames[this.#frames.length - 1].time;
  }

  get #span() {
    return spanOf(this.#frames[0].time, this.#end, shown_ms);
  }

  get #plot_width() {
    return this.#width - left - right;
  }

  #timeAt(x) {
    return this.#frames.length === 0 ? null
      : this.#end - this.#span * (1 - (x - left) / this.#plot_width);
  }

  #x(time) {
    return left + this.#plot_width * (1 - (this.#end - time) / this.#span);
  }

  draw(frames) {
    this.#frames = frames;
    if (frames.length === 0) return;
    // Of what the server does not tell there is no chart.
    const latest = frames[frames.length - 1];
    this.node.hidden = this.#panel.series.every(({ of }) => of(latest) === undefined);
    const marks = (this.#panel.marks ?? ticks)(this.#largest());
    const y = (value) =>
      top + (height - top - bottom) * (1 - value / marks[marks.length - 1]);
    const parts = [...this.#grid(marks, y), ...this.#lines(y)];
    if (this.#picked !== null) parts.push(this.#cursor());
    this.#drawing.setAttribute("width", this.#width);
    this.#drawing.replaceChildren(...parts);
    this.#drawLegend();
    if (this.details.open) this.#drawTable();
  }

  #largest() {
    let largest = 0;
    const seen = this.#panel.series.filter(({ isUnseen }) => !isUnseen);
    for (const frame of this.#frames)
      for (const { of } of seen) largest = Math.max(largest, of(frame) ?? 0);
    return largest;
  }

  #grid(marks, y) {
    const lines = marks.flatMap((mark) => [
      svg("line", { class: "grid", x1: left, x2: this.#width - right, y1: y(mark), y2: y(mark) }),
      svg("text", { x: left - 8, y: y(mark) + 4, "text-anchor": "end" }, this.#panel.form(mark)),
    ]);
    const every = this.#width < 360 ? 2 : 1;
    timeTicks(this.#span).forEach(({ ago_ms, text }, i) => {
      if (i % every !== 0) return;
      const x = this.#x(this.#end - ago_ms);
      const anchor = i === 0 ? "end" : ago_ms === this.#span ? "start" : "middle";
      lines.push(svg("text", { x, y: height - 6, "text-anchor": anchor }, text));
    });
    return lines;
  }

  #lines(y) {
    return this.#panel.series.map(({ of, isUnseen }, i) => {
      let path = "";
      let before = -Infinity;
      for (const frame of isUnseen ? [] : this.#frames) {
        const value = of(frame);
        if (value === null || value === undefined) continue;
        const move = frame.time - before > gap_ms ? "M" : "L";
        path += `${move}${this.#x(frame.time).toFixed(1)} ${y(value).toFixed(1)}`;
        before = frame.time;
      }
      return svg("path", { class: `line s${i + 1}`, d: path });
    });
  }

  #cursor() {
    const x = this.#x(this.#frame.time);
    return svg("line", { class: "cursor", x1: x, x2: x, y1: top, y2: height - bottom });
  }

  #drawLegend() {
    const frame = this.#frame;
    this.#panel.series.forEach(({ of }, i) => {
      this.#values[i].textContent = known(this.#panel.form, of(frame));
    });
    this.#moment.textContent = this.#picked === null ? "" : clock(frame.time);
  }

  #drawTable() {
    if (!this.details.open) return;
    const { series, form } = this.#panel;
    const head = el("tr", {}, el("th", { scope: "col" }, "Time"),
                    ...series.map(({ name }) => el("th", { scope: "col" }, name)));
    const rows = [];
    let before = Infinity;
    for (const frame of this.#frames.toReversed()) {
      if (before - frame.time < row_ms) continue;
      before = frame.time;
      rows.push(el("tr", {}, el("th", { scope: "row" }, clock(frame.time)),
                   ...series.map(({ of }) => el("td", {}, known(form, of(frame))))));
    }
    this.table.replaceChildren(el("thead", {}, head), el("tbody", {}, ...rows));
  }
}
