// What is better read than seen: refusals by reason, how requests ended, the executors, memory.
import { el } from "/common/dom.js";
import { bytes, count, known, seconds } from "../format.js";
import { byLabel, sumOf } from "../metrics_text.js";

const words = (key) => key.replaceAll("_", " ");

const tables = [
  { title: "Refused requests", none: "None since the start.", head: ["Reason", "Requests"],
    rows: (metrics) => byLabel(metrics, "troupe_requests_refused_total", "reason")
      .filter(({ value }) => value > 0).map(({ key, value }) => [words(key), count(value)]) },
  { title: "Ended requests", none: "None since the start.", head: ["Reason", "Requests"],
    rows: (metrics) => ended(metrics)
      .filter(({ value }) => value > 0).map(({ key, value }) => [words(key), count(value)]) },
  { title: "Executors", none: "This server does not say.", head: ["Rank", "Last heartbeat"],
    rows: (metrics) => byLabel(metrics, "troupe_executor_heartbeat_age_seconds", "rank")
      .sort((a, b) => a.key.localeCompare(b.key, "en", { numeric: true }))
      .map(({ key, value }) => [key, `${seconds(value)} ago`]) },
  { title: "Memory and files", none: "This server does not say.", head: ["What", "Now"],
    rows: house },
];

function ended(metrics) {
  const own = byLabel(metrics, "troupe_requests_finished_total", "reason");
  return own.length > 0 ? own : byLabel(metrics, "vllm:request_success_total", "finished_reason");
}

function house(metrics) {
  const rows = [
    ["resident memory", bytes, "process_resident_memory_bytes"],
    ["held memory", bytes, "troupe_memory_held_bytes"],
    ["its limit", bytes, "troupe_memory_limit_bytes"],
    ["overload level, 0 to 3", count, "troupe_overload_level"],
    ["weights", bytes, "vllm:model_weights_memory_bytes"],
    ["open connections", count, "troupe_http_connections"],
    ["WebSockets", count, "troupe_websocket_connections"],
    ["open files", count, "process_open_fds"],
    ["restarts of the replica", count, "troupe_replica_restarts_total"],
  ];
  return rows.map(([name, form, metric]) => [name, known(form, sumOf(metrics, metric))])
    .filter(([, value]) => value !== "–");
}

export class Tables {
  #bodies;

  constructor(parent) {
    this.#bodies = tables.map(({ title, head, none }) => {
      const body = el("tbody");
      const cells = head.map((name) => el("th", { scope: "col" }, name));
      const table = el("table", {}, el("thead", {}, el("tr", {}, ...cells)), body);
      const empty = el("p", { class: "quiet-text" }, none);
      parent.append(el("section", { class: "card" }, el("h3", {}, title), table, empty));
      return { table, body, empty };
    });
  }

  draw(metrics) {
    tables.forEach(({ rows }, i) => {
      const { table, body, empty } = this.#bodies[i];
      const found = rows(metrics);
      table.hidden = found.length === 0;
      empty.hidden = found.length > 0;
      body.replaceChildren(...found.map(([name, value]) =>
        el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, value))));
    });
  }
}
