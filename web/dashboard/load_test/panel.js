// Load tests of this server, where it has them switched on: start one, watch it, stop it, keep it.
import { el } from "/common/dom.js";
import { keyHeaders, readKey } from "/common/key.js";
import { Chart } from "../chart.js";
import { Poll } from "../poll.js";
import { charts } from "./charts.js";
import { Form } from "./form.js";
import { Progress, clausesOf, factsOf, verdictOf } from "./progress.js";
import { Runs, badge } from "./runs.js";

const poll_ms = 1000;
const patience_ms = 10000;

// The answer's JSON; what it is refused for is thrown.
async function call(method, path, body) {
  const headers = { ...keyHeaders(readKey()),
                    ...(body === undefined ? {} : { "Content-Type": "application/json" }) };
  const response = await fetch(path, {
    method, headers, body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(patience_ms) });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw answer.error ?? { message: `status ${response.status}` };
  return answer;
}

// What can be said of whatever went wrong.
const said = (error) => ({ message: error.message ?? String(error), param: error.param ?? null });

export class Panel {
  #form = new Form((body) => this.#start(body));
  #runs = new Runs();
  #progress = new Progress();
  #drawn = charts.map((chart) => new Chart(chart));
  #title = el("h3", {});
  #facts = el("dl", { class: "facts" });
  #clauses = el("ul", { class: "clauses" });
  #status = el("p", { class: "off-screen", role: "status" });
  #stop = el("button", { type: "button", onclick: () => this.#end() }, "Stop");
  #live = el("section", { class: "load-live", hidden: true },
             el("p", { class: "card head" }, this.#title, this.#stop), this.#facts, this.#clauses,
             el("div", { class: "load-charts" }, ...this.#drawn.map(({ node }) => node)));
  #is_over = true;  // the test that is shown

  constructor(parent) {
    parent.append(this.#form.node, this.#live, this.#status, this.#runs.node);
    parent.hidden = false;
    new Poll(() => this.#refresh(), poll_ms);
  }

  async #start(body) {
    this.#form.isBusy = true;
    try {
      this.#draw(await call("POST", "/load_tests", body));
      this.#stop.focus();
      await this.#refresh();
    } catch (error) {
      this.#form.tell(said(error));
      this.#form.isBusy = !this.#is_over;
    }
  }

  async #end() {
    this.#stop.disabled = true;
    try {
      await call("POST", `/load_tests/${this.#progress.id}/stop`);
      await this.#refresh();
    } catch (error) {
      this.#form.tell(said(error));
      this.#stop.disabled = false;
    }
  }

  // The newest test is shown; while it runs, as it goes on.
  async #refresh() {
    try {
      const { data } = await call("GET", "/load_tests");
      this.#runs.draw(data);
      const newest = data[0];
      const is_known = newest?.id === this.#progress.id && this.#is_over;
      if (newest === undefined || is_known) return;
      const from = newest.id === this.#progress.id ? this.#progress.next : 0;
      this.#draw(await call("GET", `/load_tests/${newest.id}?from=${from}`));
    } catch {
      // The dashboard's banner says that the server does not answer.
    }
  }

  #draw(test) {
    this.#progress.add(test);
    this.#is_over = test.ended_at !== null;
    this.#form.isBusy = !this.#is_over;
    this.#live.hidden = false;
    this.#stop.hidden = this.#is_over;
    this.#stop.disabled = test.state !== "running";
    this.#title.replaceChildren(`Test ${test.id} `, badge(test));
    const spoken = `Load test ${test.id}: ${verdictOf(test).text}`;
    if (this.#status.textContent !== spoken) this.#status.textContent = spoken;
    this.#facts.replaceChildren(...factsOf(this.#progress).map(({ name, value, note }) =>
      el("div", { class: "card tile" }, el("dt", {}, name), el("dd", { class: "value" }, value),
         el("dd", { class: "quiet-text" }, note))));
    this.#clauses.replaceChildren(...clausesOf(test.result).map(({ text, is_met }) =>
      el("li", {}, el("span", { class: "badge", "data-kind": is_met ? "good" : "bad" }, text))));
    for (const chart of this.#drawn) chart.draw(this.#progress.frames);
  }
}
