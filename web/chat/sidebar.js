// The list of conversations, and on narrow screens the drawer that it lives in.
import { at, el } from "/common/dom.js";

export class Sidebar {
  #store;
  #on;
  #current = "";
  #narrow = matchMedia("(max-width: 52rem)");

  // on: {open(id), remove(id), fresh()}
  constructor(store, on) {
    this.#store = store;
    this.#on = on;
    at("new-chat").addEventListener("click", () => (this.close(), on.fresh()));
    at("open-sidebar").addEventListener("click", () => this.#show());
    at("close-sidebar").addEventListener("click", () => this.close(true));
    at("shade").addEventListener("click", () => this.close(true));
    at("sidebar").addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.isOpen) return;
      event.stopPropagation();
      this.close(true);
    });
  }

  get isOpen() {
    return at("sidebar").classList.contains("is-open");
  }

  draw(current) {
    this.#current = current;
    const list = this.#store.list();
    at("conversations").replaceChildren(...list.map((entry) => this.#row(entry)));
    at("no-conversations").hidden = list.length > 0;
  }

  #row({ id, title }) {
    const open = el("button", { class: "open", type: "button", title }, title || "New chat");
    if (id === this.#current) open.setAttribute("aria-current", "true");
    open.addEventListener("click", () => (this.close(), this.#on.open(id)));
    const row = el("li", { class: id === this.#current ? "current" : "" }, open);
    row.append(this.#removeButton(id, title));
    return row;
  }

  // Asks once more before it forgets something for good.
  #removeButton(id, title) {
    const button = el("button", { class: "icon remove", type: "button",
                                  "aria-label": `Delete ${title}` }, "×");
    const calm = () => {
      button.classList.remove("sure");
      button.textContent = "×";
      button.setAttribute("aria-label", `Delete ${title}`);
    };
    button.addEventListener("click", () => {
      if (button.classList.contains("sure")) return this.#on.remove(id);
      button.classList.add("sure");
      button.textContent = "Delete?";
      button.setAttribute("aria-label", `Really delete ${title}`);
      return undefined;
    });
    button.addEventListener("blur", calm);
    return button;
  }

  #show() {
    at("sidebar").classList.add("is-open");
    at("shade").hidden = false;
    at("open-sidebar").setAttribute("aria-expanded", "true");
    document.querySelector(".stage").inert = true;
    at("close-sidebar").focus();
  }

  close(givesBackFocus = false) {
    if (!this.isOpen) return;
    at("sidebar").classList.remove("is-open");
    at("shade").hidden = true;
    at("open-sidebar").setAttribute("aria-expanded", "false");
    document.querySelector(".stage").inert = false;
    if (givesBackFocus && this.#narrow.matches) at("open-sidebar").focus();
  }
}
