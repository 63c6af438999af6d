// How one turn looks: the reader's words as they are, an answer as Markdown or as JSON.
import { el } from "/common/dom.js";
import { MarkdownStream } from "./markdown/stream.js";
import { renderBlock } from "./markdown/render.js";
import { prettyJson } from "./request_body.js";

const reasons = {
  stop: "finished",
  length: "token limit reached",
  cancelled: "stopped",
  timed_out: "timed out",
};

const notes = {
  cut: "This answer was cut off when the page was closed or reloaded.",
  stopped: "You stopped this answer.",
};

const tokens = (count) => (count === 1 ? "1 token" : `${count} tokens`);

function factTexts(facts) {
  const texts = [];
  if (facts.ttft_ms !== undefined) texts.push(`TTFT ${Math.round(facts.ttft_ms)} ms`);
  if (facts.tokens_per_s !== undefined) texts.push(`${facts.tokens_per_s.toFixed(0)} tokens/s`);
  if (facts.completion_tokens !== undefined) texts.push(tokens(facts.completion_tokens));
  if (facts.finish_reason) texts.push(reasons[facts.finish_reason] ?? facts.finish_reason);
  return texts;
}

const quiet = (label, action) =>
  el("button", { type: "button", class: "quiet", "data-action": action }, label);

export class TurnView {
  #turn;
  #body;
  #foot;
  #stream = null;
  #frame = 0;
  #not_before = 0;

  // onPaint is called when the size may have changed.
  constructor(turn, onPaint) {
    this.#turn = turn;
    this.onPaint = onPaint;
    const who = turn.role === "user" ? "You said" : "The model answered";
    this.#body = el("div", { class: turn.role === "user" ? "bubble" : "answer" });
    this.#foot = el("div", { class: "foot" });
    this.node = el("li", { class: `turn ${turn.role}` },
                   el("h3", { class: "off-screen" }, who), this.#body, this.#foot);
  }

  // Draws everything anew; isLast decides what can be done with it.
  draw(isLast) {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#stream = null;
    this.#body.replaceChildren();
    if (this.#turn.role === "user") this.#body.append(this.#turn.content);
    else this.#drawAnswer();
    this.#drawFoot(isLast);
  }

  // The text has grown: paints with the next frame, and more rarely where painting takes long.
  grow() {
    if (this.#frame !== 0) return;
    const paint = () => {
      this.#frame = 0;
      if (performance.now() < this.#not_before) return this.grow();
      const begin = performance.now();
      this.#drawAnswer();
      this.onPaint();
      const end = performance.now();
      this.#not_before = end + 6 * (end - begin) - 16;
      return undefined;
    };
    this.#frame = requestAnimationFrame(paint);
  }

  #drawAnswer() {
    const { content, state, json } = this.#turn;
    const isRunning = state === "running";
    if (content === "" && isRunning) return this.#drawWaiting();
    if (json) return this.#drawJson(isRunning ? content : prettyJson(content) ?? content);
    if (this.#stream === null) {
      this.#body.replaceChildren();
      this.#stream = new MarkdownStream(this.#body);
    }
    this.#stream.update(content);
    return undefined;
  }

  #drawWaiting() {
    const dots = el("span", { class: "waiting", role: "img",
                              "aria-label": "Waiting for the model" },
                    el("i"), el("i"), el("i"));
    this.#body.replaceChildren(dots);
  }

  #drawJson(text) {
    this.#body.replaceChildren(renderBlock({ type: "code", language: "json", text }));
  }

  #drawFoot(isLast) {
    const { role, state, error, facts } = this.#turn;
    this.#foot.replaceChildren();
    if (state === "running") return;
    const note = state === "failed" ? error : notes[state];
    if (note) this.#foot.append(el("p", { class: `note ${state}` }, note));
    const actions = el("div", { class: "actions" });
    if (this.#turn.content !== "") actions.append(quiet("Copy", "copy"));
    if (isLast && role === "assistant") actions.append(quiet("Regenerate", "regenerate"));
    if (isLast && role === "user") actions.append(quiet("Edit", "edit"));
    if (facts) {
      const texts = factTexts(facts).map((text) => el("span", {}, text));
      actions.append(el("p", { class: "facts" }, ...texts));
    }
    this.#foot.append(actions);
  }

  get copyText() {
    const { content, json } = this.#turn;
    return json ? prettyJson(content) ?? content : content;
  }

  // The words become a field; onDone gets the new words, or null.
  edit(onDone) {
    const field = el("textarea", { rows: 3, "aria-label": "Edit your message" });
    field.value = this.#turn.content;
    const save = el("button", { type: "button", class: "main" }, "Send");
    const cancel = el("button", { type: "button" }, "Cancel");
    const done = (text) => () => onDone(text());
    save.addEventListener("click", done(() => field.value));
    cancel.addEventListener("click", done(() => null));
    field.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      if (event.key === "Enter" && !event.shiftKey) save.click();
      else if (event.key === "Escape") cancel.click();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    this.#foot.replaceChildren();
    this.#body.replaceWith(el("div", { class: "edit" }, field,
                              el("div", { class: "edit-row" }, cancel, save)));
    field.focus();
    field.setSelectionRange(field.value.length, field.value.length);
  }
}
