// The table of the load tests that the server keeps, with their verdicts and files.
import { el } from "/common/dom.js";
import { keyHeaders, readKey } from "/common/key.js";
import { clock } from "../format.js";
import { inWords, verdictOf } from "./progress.js";

const names = { "report.html": "report", "report.json": "JSON", "report.csv": "CSV",
                "history.csv": "history", "failures.csv": "failures", "ledger.jsonl": "ledger" };

export function badge(test) {
  const { text, kind } = verdictOf(test);
  return el("span", { class: "badge", "data-kind": kind }, text);
}

// A link carries no key: where one is needed, the page fetches the file and saves it.
async function save(event, path) {
  const key = readKey();
  if (!key) return;
  event.preventDefault();
  const response = await fetch(path, { headers: keyHeaders(key) });
  if (!response.ok) return;
  const url = URL.createObjectURL(await response.blob());
  const [, id, name] = /^\/load_tests\/(\d+)\/(.+)$/.exec(path);
  el("a", { href: url, download: `load-test-${id}-${name}` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

function link(id, name) {
  const path = `/load_tests/${id}/${name}`;
  const shown = name.endsWith(".html") ? { target: "_blank", rel: "noopener" } : { download: true };
  return el("a", { href: path, ...shown, "aria-label": `${names[name] ?? name} of test ${id}`,
                   onclick: (event) => save(event, path) }, names[name] ?? name);
}

export class Runs {
  #body = el("tbody");
  #table = el("table", {}, el("thead", {}, el("tr", {},
    ...["Test", "Began", "Asked for", "Verdict", "Files"]
      .map((name) => el("th", { scope: "col" }, name)))), this.#body);
  #empty = el("p", { class: "quiet-text" }, "None since the start.");
  #shown = "";

  constructor() {
    this.node = el("section", { class: "card load-runs" }, el("h3", {}, "Load tests"), this.#table,
                   this.#empty);
  }

  // Draws only what has changed: a reader may be on a link.
  draw(tests) {
    const now = JSON.stringify(tests);
    if (now === this.#shown) return;
    this.#shown = now;
    this.#table.hidden = tests.length === 0;
    this.#empty.hidden = tests.length > 0;
    this.#body.replaceChildren(...tests.map((test) => el("tr", {},
      el("th", { scope: "row" }, test.id), el("td", {}, clock(test.started_at * 1000)),
      el("td", { class: "words" }, inWords(test.arguments)),
      el("td", {}, badge(test), test.error ? el("p", { class: "hint" }, test.error) : null),
      el("td", { class: "files" }, ...test.files.map((name) => link(test.id, name))))));
  }
}
