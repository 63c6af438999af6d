// The turns of the conversation that is open.
import { at, copyText } from "/common/dom.js";
import { TurnView } from "./turn_view.js";

export class ConversationView {
  #views = [];
  #turns = [];
  #follower;
  #on;

  // on: {regenerate(), edit(text)}
  constructor(follower, on) {
    this.#follower = follower;
    this.#on = on;
    at("turns").addEventListener("click", (event) => this.#clicked(event.target));
  }

  show(turns) {
    this.#turns = turns;
    this.#views = turns.map((turn) => new TurnView(turn, () => this.#follower.grown()));
    at("turns").replaceChildren(...this.#views.map((view) => view.node));
    at("welcome").hidden = turns.length > 0;
    this.drawAll();
    this.#follower.toEnd();
  }

  // Which turn is the last of its kind decides about its buttons.
  drawAll() {
    const last = { user: -1, assistant: -1 };
    this.#turns.forEach((turn, i) => { last[turn.role] = i; });
    this.#views.forEach((view, i) => view.draw(last[this.#turns[i].role] === i));
    this.#follower.grown();
  }

  grow() {
    this.#views[this.#views.length - 1].grow();
  }

  #clicked(target) {
    const button = target.closest("button");
    if (button?.dataset.copy) {
      const code = button.closest(".code").querySelector("pre code");
      return this.#copy(button, code.textContent);
    }
    const action = button?.dataset.action;
    const view = this.#views.find(({ node }) => node.contains(target));
    if (action === "copy") return this.#copy(button, view.copyText);
    if (action === "regenerate") return this.#on.regenerate();
    if (action === "edit") return view.edit((text) => this.#edited(text));
    return undefined;
  }

  #edited(text) {
    if (text !== null && text.trim() !== "") return this.#on.edit(text);
    this.show(this.#turns);
    at("turns").querySelector('[data-action="edit"]')?.focus();
    return undefined;
  }

  async #copy(button, text) {
    const label = button.textContent;
    button.textContent = (await copyText(text)) ? "Copied" : "Not allowed";
    setTimeout(() => { button.textContent = label; }, 1200);
  }
}
