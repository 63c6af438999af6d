// The settings: kept as they were typed, checked while typing.
import { at, el } from "/common/dom.js";
import { keepKey, readKey } from "/common/key.js";
import { controlsFor, rangeText, readControl, readStops } from "./sampling.js";

const storage_key = "troupe.settings";

const stored = () => {
  try {
    return JSON.parse(localStorage.getItem(storage_key)) ?? {};
  } catch {
    return {};
  }
};

export class SettingsPanel {
  #values = stored();
  #max_model_len = 0;

  constructor() {
    this.#drawControls();
    this.#bind(at("system"), "system");
    this.#bind(at("stop-strings"), "stop", () => this.#checkStops());
    at("key").value = readKey();
    at("key").addEventListener("change", () => {
      keepKey(at("key").value.trim());
      this.onKey();
    });
    at("open-settings").addEventListener("click", () => this.open());
    at("reset-settings").addEventListener("click", () => this.#reset());
    // A click beside the panel closes it.
    at("settings").addEventListener("click", (event) => {
      if (event.target === at("settings")) at("settings").close();
    });
  }

  // Strings by name, as requestBody takes them.
  get values() {
    return this.#values;
  }

  get key() {
    return readKey() || at("key").value.trim();
  }

  set(name, value) {
    this.#values[name] = value;
    try {
      localStorage.setItem(storage_key, JSON.stringify(this.#values));
    } catch {
      // They hold until the page is closed.
    }
  }

  setLimits({ max_model_len }) {
    // Fields that are drawn anew lose what is being typed.
    if (max_model_len === this.#max_model_len) return;
    this.#max_model_len = max_model_len;
    this.#drawControls();
  }

  open(field) {
    if (!at("settings").open) at("settings").showModal();
    const names = { stop: "stop-strings" };
    if (field) at(names[field] ?? field)?.focus();
  }

  onKey = () => {};

  #bind(node, name, check = () => {}) {
    node.value = this.#values[name] ?? "";
    node.addEventListener("input", () => {
      this.set(name, node.value);
      check();
    });
  }

  #drawControls() {
    const fields = controlsFor(this.#max_model_len).map((control) => this.#field(control));
    at("controls").replaceChildren(...fields);
  }

  #field(control) {
    const { name, label, hint } = control;
    const error = el("p", { class: "field-error", id: `${name}-error`, role: "alert" });
    const input = el("input", {
      id: name, inputmode: control.isInteger ? "numeric" : "decimal", autocomplete: "off",
      placeholder: "Default", "aria-describedby": `${name}-hint ${name}-error`,
    });
    const check = () => showError(input, error, readControl(control, input.value).error);
    this.#bind(input, name, check);
    check();
    const range = el("p", { class: "hint", id: `${name}-hint` },
                     `${sentence(rangeText(control))}; ${hint}.`);
    return el("div", { class: "field" }, el("label", { for: name }, label), input, range, error);
  }

  #checkStops() {
    const node = at("stop-strings");
    showError(node, at("stop-strings-error"), readStops(node.value).error);
  }

  #reset() {
    for (const name of ["system", "stop", ...controlsFor(0).map((control) => control.name)])
      this.set(name, "");
    at("system").value = "";
    at("stop-strings").value = "";
    this.#checkStops();
    this.#drawControls();
  }
}

const sentence = (text) => text[0].toUpperCase() + text.slice(1);

export function showError(input, node, error) {
  node.textContent = error ?? "";
  if (error) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
}
