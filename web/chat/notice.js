// The one line above the composer that tells what is in the way, with a countdown where there is
// something to wait for.
import { el } from "/common/dom.js";

export class Notice {
  #node;
  #timer = 0;

  constructor(node) {
    this.#node = node;
  }

  hide() {
    clearInterval(this.#timer);
    this.#node.hidden = true;
    this.#node.replaceChildren();
  }

  // action: {label, run, after_ms?}: a button, and how long it must wait.
  show(text, action = null) {
    this.hide();
    const words = el("span", {}, text);
    this.#node.append(words);
    if (action) this.#node.append(this.#button(action));
    this.#node.append(el("button", { type: "button", class: "quiet", onclick: () => this.hide() },
                         "Dismiss"));
    this.#node.hidden = false;
  }

  #button({ label, run, after_ms = 0 }) {
    const button = el("button", { type: "button", onclick: () => (this.hide(), run()) }, label);
    const end = performance.now() + after_ms;
    const count = () => {
      const seconds = Math.ceil((end - performance.now()) / 1000);
      button.disabled = seconds > 0;
      button.textContent = seconds > 0 ? `${label} in ${seconds} s` : label;
      if (seconds <= 0) clearInterval(this.#timer);
    };
    this.#timer = setInterval(count, 250);
    count();
    return button;
  }
}

// What an error means to the reader: {text, after_ms, asks_key}.
export function explain(error) {
  const after_ms = error.retry_after_ms ?? null;
  switch (error.status) {
    case 401: return { text: "This server asks for an API key.", asks_key: true };
    case 429: return { text: `The server is busy: ${error.message}`, after_ms: after_ms ?? 1000 };
    case 503: return { text: `The server takes no requests now: ${error.message}`,
                       after_ms: after_ms ?? 2000 };
    default: return { text: error.message, after_ms: error.status === 0 ? 0 : null };
  }
}
