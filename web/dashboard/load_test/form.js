// The form that starts a load test. What is wrong is said by the server, and stands at its field.
import { el } from "/common/dom.js";
import { bodyOf, commonFields, fieldOf, plans, rareFields } from "./fields.js";

const idOf = (name) => `load-test-${name}`;

export class Form {
  #plan = el("select", { id: idOf("plan"), onchange: () => this.#drawPlan() },
             ...plans.map(({ name, text }) => el("option", { value: name }, text)));
  #plan_fields = el("div", { class: "fields" });
  #wrong = el("p", { class: "field-error", role: "alert" });
  #start = el("button", { class: "main", type: "submit" }, "Start");
  #inputs = new Map();
  #errors = new Map();

  // start(body): called when the reader wants it.
  constructor(start) {
    const plan = this.#row("plan", "Load", this.#plan, "");
    const common = el("div", { class: "fields" }, ...this.#fields(commonFields));
    const rare = el("details", {}, el("summary", {}, "More"),
                    el("div", { class: "fields" }, ...this.#fields(rareFields)));
    this.node = el("form", { class: "card load-form", novalidate: true,
                             onsubmit: (event) => this.#submit(event, start) },
                   plan, this.#plan_fields, common, rare, this.#wrong,
                   el("p", { class: "actions" }, this.#start));
    this.#drawPlan();
  }

  set isBusy(value) {
    this.#start.disabled = value;
  }

  // A refusal of the server; param: the field, if it is one.
  tell({ message, param }) {
    const field = this.#errors.has(param) ? param : null;
    const place = field ? this.#errors.get(field) : this.#wrong;
    place.textContent = message;
    if (!field) return;
    const input = this.#inputs.get(field);
    input.setAttribute("aria-invalid", "true");
    input.closest("details")?.setAttribute("open", "");
    input.focus();
  }

  #forgive() {
    this.#wrong.textContent = "";
    for (const place of this.#errors.values()) place.textContent = "";
    for (const input of this.#inputs.values()) input.removeAttribute("aria-invalid");
  }

  #drawPlan() {
    for (const name of plans.flatMap((one) => one.fields)) {
      this.#inputs.delete(name);
      this.#errors.delete(name);
    }
    const plan = plans.find(({ name }) => name === this.#plan.value);
    this.#plan_fields.replaceChildren(...this.#fields(plan.fields));
    this.#forgive();
  }

  #fields(names) {
    return names.map((name) => {
      const field = fieldOf(this.#plan.value, name);
      return this.#row(name, field.label, this.#input(field), field.hint ?? "");
    });
  }

  #input({ name, options, first }) {
    const id = idOf(name);
    if (options)
      return el("select", { id }, ...options.map(
        (one) => el("option", { value: one, selected: one === first }, one)));
    if (typeof first === "boolean") return el("input", { id, type: "checkbox", checked: first });
    return el("input", { id, type: "text", value: first, autocomplete: "off",
                         spellcheck: "false" });
  }

  #row(name, label, input, hint) {
    const error = el("p", { class: "field-error", id: `${input.id}-error` });
    const words = el("p", { class: "hint", id: `${input.id}-hint` }, hint);
    input.setAttribute("aria-describedby", `${input.id}-hint ${input.id}-error`);
    this.#inputs.set(name, input);
    this.#errors.set(name, error);
    return el("div", { class: input.type === "checkbox" ? "field check" : "field" },
              el("label", { for: input.id }, label), input, words, error);
  }

  #submit(event, start) {
    event.preventDefault();
    this.#forgive();
    const values = {};
    for (const [name, input] of this.#inputs)
      values[name] = input.type === "checkbox" ? input.checked : input.value;
    start(bodyOf(this.#plan.value, values));
  }
}
