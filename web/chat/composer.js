// Where the reader writes: the message field, send and stop, and the panel of the JSON schema.
import { at, el } from "/common/dom.js";
import { example_schema, readSchema, schemaNotes } from "./request_body.js";
import { showError } from "./settings_panel.js";

export class Composer {
  #settings;
  #is_running = false;

  // on: {send(text), stop()}
  constructor(settings, on) {
    this.#settings = settings;
    const prompt = at("prompt");
    prompt.addEventListener("input", () => this.#fit());
    prompt.addEventListener("keydown", (event) => {
      // While an input method composes, Enter chooses a word.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      at("composer").requestSubmit();
    });
    at("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      if (prompt.value.trim() === "" || this.#is_running) return;
      const text = prompt.value;
      if (on.send(text)) this.write("");
    });
    at("stop").addEventListener("click", on.stop);
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.#is_running && !at("settings").open) on.stop();
    });
    this.#bindSchema();
    this.#fit();
  }

  write(text) {
    at("prompt").value = text;
    this.#fit();
  }

  focus() {
    at("prompt").focus();
  }

  setRunning(isRunning) {
    // Focus must not fall off the page with the button that had it.
    const hadFocus = document.activeElement === at("stop");
    this.#is_running = isRunning;
    at("stop").hidden = !isRunning;
    at("send").hidden = isRunning;
    if (hadFocus) this.focus();
  }

  setJson(isOn) {
    this.#settings.set("json", isOn);
    if (isOn && at("schema").value.trim() === "") this.#writeExample();
    at("json").setAttribute("aria-pressed", String(isOn));
    at("json-panel").hidden = !isOn;
    this.checkSchema();
  }

  // True if there is nothing wrong with it.
  checkSchema() {
    const { error } = this.#settings.values.json ? readSchema(at("schema").value) : {};
    this.refuseSchema(error);
    this.noteOnSchema([]);
    return !error;
  }

  // What is wrong with it, here or for the server.
  refuseSchema(error) {
    showError(at("schema"), at("schema-error"), error);
  }

  // What the server does not enforce of it.
  noteOnSchema(warnings) {
    at("schema-notes").replaceChildren(...schemaNotes(warnings).map((text) => el("li", {}, text)));
    at("schema-notes").hidden = warnings.length === 0;
  }

  #bindSchema() {
    at("schema").value = this.#settings.values.schema ?? "";
    at("schema").addEventListener("input", () => {
      this.#settings.set("schema", at("schema").value);
      this.checkSchema();
    });
    at("json").addEventListener("click", () => this.setJson(at("json-panel").hidden));
    at("example-schema").addEventListener("click", () => this.#writeExample());
    this.setJson(this.#settings.values.json === true);
  }

  #writeExample() {
    at("schema").value = JSON.stringify(example_schema, null, 2);
    this.#settings.set("schema", at("schema").value);
    this.checkSchema();
  }

  #fit() {
    const prompt = at("prompt");
    prompt.style.height = "auto";
    prompt.style.height = `${prompt.scrollHeight}px`;
  }
}
