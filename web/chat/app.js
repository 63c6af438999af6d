// The chat page: connects its parts, and holds the conversation that is open.
import { at, el } from "/common/dom.js";
import { AnswerRun } from "./answer_run.js";
import { Composer } from "./composer.js";
import { ConversationView } from "./conversation_view.js";
import { Notice, explain } from "./notice.js";
import { example_review, requestBody, schemaRefusal } from "./request_body.js";
import { Follower } from "./scroll.js";
import { askServer } from "./server_facts.js";
import { SettingsPanel } from "./settings_panel.js";
import { Sidebar } from "./sidebar.js";
import { GenerationSocket } from "./socket.js";
import { ConversationStore, MemoryStorage, titleOf } from "./store.js";

const save_ms = 500;  // how often a running answer is written down
const spoken_letters = 1500;

const suggestions = [
  { title: "Say hello", text: "Hello! Who are you and what can you do?" },
  { title: "Explain", text: "Why does a server answer many requests in one batch?" },
  { title: "Write", text: "Write a short poem about the sea." },
  { title: "Review to JSON", text: example_review, json: true },
];

function storage() {
  try {
    localStorage.setItem("troupe.probe", "");
    localStorage.removeItem("troupe.probe");
    return localStorage;
  } catch {
    return new MemoryStorage();
  }
}

const store = new ConversationStore(storage(), freshId);
const notice = new Notice(at("notice"));
const settings = new SettingsPanel();
const view = new ConversationView(new Follower(at("scroller"), at("to-end")),
                                  { regenerate, edit });
const composer = new Composer(settings, { send, stop });
const sidebar = new Sidebar(store, { open, remove, fresh });

let conversation = store.create(Date.now());
let run = null;
let socket = null;
let limits = { model: "", max_model_len: 0 };
let save_timer = 0;

// crypto.randomUUID exists on secure pages only.
function freshId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function save() {
  clearTimeout(save_timer);
  save_timer = 0;
  if (conversation.turns.length === 0) return;
  if (!store.save(conversation))
    notice.show("This browser's storage is full: the conversation will be lost with the page.");
}

function saveSoon() {
  save_timer ||= setTimeout(save, save_ms);
}

function show(next) {
  leave();
  conversation = next;
  notice.hide();
  location.hash = next.turns.length > 0 ? next.id : "";
  view.show(conversation.turns);
  sidebar.draw(conversation.id);
}

function fresh() {
  show(store.create(Date.now()));
  composer.focus();
}

function open(id) {
  if (id === conversation.id) return;
  const found = store.load(id);
  if (found) show(found);
}

function remove(id) {
  if (id === conversation.id) {
    abandon();
    conversation.turns = [];
  }
  store.remove(id);
  if (id === conversation.id) fresh();
  else sidebar.draw(conversation.id);
}

// Another conversation is opened: what runs in this one ends.
function leave() {
  if (!run) return;
  const turn = conversation.turns[conversation.turns.length - 1];
  turn.state = "stopped";
  abandon();
  save();
}

function abandon() {
  run?.abandon();
  run = null;
  composer.setRunning(false);
}

// False if there is something to correct first.
function send(text) {
  const turns = [...conversation.turns, { role: "user", content: text, state: "done" }];
  if (!composer.checkSchema()) return false;
  const body = requestBody(turns, settings.values, limits);
  if (body.error) {
    if (body.field !== "schema") settings.open(body.field);
    return false;
  }
  conversation.turns = turns;
  conversation.title ||= titleOf(text);
  begin(body.value);
  return true;
}

function begin(body) {
  notice.hide();
  composer.checkSchema();
  const turn = { role: "assistant", content: "", state: "running" };
  if (settings.values.json) turn.json = true;
  conversation.turns.push(turn);
  conversation.updated = Date.now();
  location.hash = conversation.id;
  save();
  sidebar.draw(conversation.id);
  view.show(conversation.turns);
  // The button that began it may be gone, and the focus with it.
  if (document.activeElement === document.body) composer.focus();
  composer.setRunning(true);
  run = new AnswerRun(turn, body, { socket, key: settings.key }, {
    grown: () => (view.grow(), saveSoon()),
    warned: (warnings) => composer.noteOnSchema(warnings),
    ended: (error) => ended(turn, error),
  });
}

function ended(turn, error) {
  run = null;
  composer.setRunning(false);
  save();
  view.drawAll();
  at("announcer").textContent = error ? "" : `The answer: ${turn.content.slice(0, spoken_letters)}`;
  if (!error) return;
  const refusal = settings.values.json ? schemaRefusal(error) : null;
  if (refusal) {
    composer.refuseSchema(refusal);
    return;
  }
  const { text, after_ms = null, asks_key } = explain(error);
  if (asks_key) notice.show(text, { label: "Enter the key", run: () => settings.open("key") });
  else if (after_ms !== null) notice.show(text, { label: "Try again", run: regenerate, after_ms });
  else notice.show(text);
}

function stop() {
  run?.stop();
}

// The turns up to and with the last question.
function turnsToLastQuestion() {
  const { turns } = conversation;
  const last = turns.findLastIndex((turn) => turn.role === "user");
  return turns.slice(0, last + 1);
}

function regenerate() {
  edit(null);
}

// Asks the last question again, in other words if there are some.
function edit(text) {
  if (run) abandon();
  const turns = turnsToLastQuestion();
  if (turns.length === 0) return;
  if (text !== null) turns[turns.length - 1] = { ...turns[turns.length - 1], content: text };
  const body = requestBody(turns, settings.values, limits);
  if (body.error) {
    notice.show(body.error);
    view.show(conversation.turns);
    return;
  }
  conversation.turns = turns;
  begin(body.value);
}

function drawSuggestions() {
  const items = suggestions.map(({ title, text, json }) => {
    const button = el("button", { type: "button" }, el("b", {}, title), el("span", {}, text));
    button.addEventListener("click", () => {
      composer.setJson(json === true);
      if (!send(text)) composer.write(text);
      composer.focus();
    });
    return el("li", {}, button);
  });
  at("suggestions").append(...items);
}

async function learnLimits() {
  const facts = await askServer(settings.key);
  limits = facts;
  const name = facts.model || "Troupe";
  at("model").textContent = name;
  document.title = facts.model ? `${name} · Troupe` : "Troupe";
  const context = facts.max_model_len ? ` with a context of ${facts.max_model_len} tokens` : "";
  at("welcome-model").textContent = facts.model ? `You talk to ${name}${context}.` : "";
  settings.setLimits(facts);
  if (facts.needs_key && !settings.key)
    notice.show("This server asks for an API key.",
                { label: "Enter the key", run: () => settings.open("key") });
}

function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  socket = new GenerationSocket(`${scheme}://${location.host}/ws`, ({ state, retry_ms }) => {
    if (state === "unusable") socket = null;
    const seconds = Math.ceil(retry_ms / 1000);
    at("connection").textContent = state === "waiting"
      ? `Connection lost, trying again in ${seconds} s` : "";
    if (state === "open" && limits.model === "") learnLimits();
  });
}

settings.onKey = learnLimits;
addEventListener("pagehide", save);
addEventListener("hashchange", () => {
  const id = location.hash.slice(1);
  if (id && id !== conversation.id) open(id);
});
drawSuggestions();
connect();
learnLimits();
const wanted = store.load(location.hash.slice(1));
if (wanted) show(wanted);
else sidebar.draw("");
composer.focus();
