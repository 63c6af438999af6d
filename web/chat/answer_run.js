// One answer on its way: collects text and times into its turn, and says when it changes or ends.
import { generate } from "./transport.js";

export class AnswerRun {
  #turn;
  #on;
  #begin = performance.now();
  #first = 0;
  #last = 0;
  #cancel;
  #is_stopped = false;
  #is_over = false;

  // on: {grown(), warned(warnings), ended(error|null)}
  constructor(turn, body, line, on) {
    this.#turn = turn;
    this.#on = on;
    this.#cancel = generate(body, line, {
      accepted: () => {},
      data: (chunk) => this.#take(chunk),
      finished: (frame) => this.#finish(frame),
      error: (error) => this.#fail(error),
    });
  }

  stop() {
    this.#is_stopped = true;
    this.#cancel();
  }

  // Forgets the answer: whatever still comes changes nothing.
  abandon() {
    this.#is_over = true;
    this.#cancel();
  }

  #take(chunk) {
    if (chunk.warnings && !this.#is_over) this.#on.warned(chunk.warnings);
    const text = chunk.choices?.[0]?.delta?.content;
    if (!text || this.#is_over) return;
    this.#last = performance.now();
    this.#first ||= this.#last;
    this.#turn.content += text;
    this.#on.grown();
  }

  #finish(frame) {
    const reason = this.#is_stopped ? "cancelled" : frame.finish_reason;
    this.#turn.facts = this.#facts(frame.usage ?? {}, reason);
    this.#end(this.#is_stopped ? "stopped" : "done", null);
  }

  #fail(error) {
    this.#turn.error = error.message;
    this.#end("failed", error);
  }

  #end(state, error) {
    if (this.#is_over) return;
    this.#is_over = true;
    this.#turn.state = state;
    this.#on.ended(error);
  }

  // As the reader saw it, network included.
  #facts(usage, finish_reason) {
    const facts = { finish_reason, completion_tokens: usage.completion_tokens };
    if (this.#first === 0) return facts;
    facts.ttft_ms = this.#first - this.#begin;
    const seconds = (this.#last - this.#first) / 1000;
    if (usage.completion_tokens > 1 && seconds > 0)
      facts.tokens_per_s = (usage.completion_tokens - 1) / seconds;
    return facts;
  }
}
