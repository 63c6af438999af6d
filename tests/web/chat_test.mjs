// The chat page's decisions: what is kept, what is sent, how long is waited.
import assert from "node:assert/strict";
import test from "node:test";
import { backOff, retryAfterMs } from "../../web/chat/back_off.js";
import { example_schema, prettyJson, readSchema, requestBody, schemaNotes, schemaRefusal }
  from "../../web/chat/request_body.js";
import { controls, controlsFor, rangeText, readControl, readStops }
  from "../../web/chat/sampling.js";
import { ConversationStore, MemoryStorage, titleOf } from "../../web/chat/store.js";
import { EventReader } from "../../web/common/sse.js";

const control = (name) => controls.find((one) => one.name === name);
const turns = [{ role: "user", content: "Hi", state: "done" }];

test("a conversation comes back as it was saved, the latest first", () => {
  const storage = new MemoryStorage();
  const names = ["one", "two"];
  const store = new ConversationStore(storage, () => names.shift());
  const first = store.create(1);
  first.turns = turns;
  first.title = "First";
  const second = { ...store.create(2), title: "Second" };
  assert.ok(store.save(first) && store.save(second));
  assert.deepEqual(store.list().map(({ id }) => id), ["two", "one"]);
  assert.deepEqual(store.load("one"), first);
  store.remove("one");
  assert.equal(store.load("one"), null);
});

test("an answer that ran when the page went away is marked as cut", () => {
  const store = new ConversationStore(new MemoryStorage(), () => "x");
  const saved = store.create(1);
  saved.turns = [...turns, { role: "assistant", content: "Hel", state: "running" }];
  store.save(saved);
  assert.deepEqual(store.load("x").turns[1], { role: "assistant", content: "Hel", state: "cut" });
});

test("what others wrote into the storage is no conversation", () => {
  const storage = new MemoryStorage();
  const store = new ConversationStore(storage, () => "x");
  storage.setItem("other", "1");
  storage.setItem("troupe.chat.a", "{");
  storage.setItem("troupe.chat.b",
                  '{"id": "b", "title": "t", "updated": 1, "turns": [{"role": 1}]}');
  storage.setItem("troupe.chat.c", "null");
  assert.deepEqual(store.list(), []);
  assert.equal(store.load("b"), null);
});

test("a full storage is told, not thrown", () => {
  const full = new MemoryStorage();
  full.setItem = () => { throw new Error("full"); };
  assert.equal(new ConversationStore(full, () => "x").save({ id: "x" }), false);
});

test("a title is one short line", () => {
  assert.equal(titleOf("  Hello\nworld"), "Hello");
  assert.equal([...titleOf("字".repeat(100))].length, 60);
});

test("ranges are the server's", () => {
  assert.deepEqual(readControl(control("temperature"), " 0.5 "), { value: 0.5 });
  assert.deepEqual(readControl(control("temperature"), ""), {});
  const refused = [["temperature", "2.1"], ["temperature", "-1"], ["temperature", "hot"],
                   ["top_p", "0"], ["top_p", "1.1"], ["top_k", "-1"], ["top_k", "1.5"],
                   ["min_p", "2"], ["max_tokens", "0"], ["frequency_penalty", "3"],
                   ["presence_penalty", "-2.1"], ["repetition_penalty", "0"], ["seed", "1e20"],
                   ["temperature", "NaN"], ["temperature", "Infinity"]];
  for (const [name, text] of refused)
    assert.ok(readControl(control(name), text).error, name + text);
  assert.equal(rangeText(control("top_p")), "above 0 to 1");
  assert.equal(rangeText(controlsFor(4096).find(({ name }) => name === "max_tokens")),
               "a whole number from 1 to 4,096");
});

test("stop strings: one a line, with escapes and bounds", () => {
  assert.deepEqual(readStops("END\n\\n\\n\n\n\\\\"), { value: ["END", "\n\n", "\\"] });
  assert.deepEqual(readStops("\n"), {});
  assert.ok(readStops("x\n".repeat(17)).error);
  assert.ok(readStops("字".repeat(86)).error);
});

test("the body has what was set and nothing else", () => {
  assert.deepEqual(requestBody(turns, {}).value, { messages: [{ role: "user", content: "Hi" }] });
  const body = requestBody(turns, { system: "Be kind.", temperature: "0", stop: "END" },
                           { model: "demo" }).value;
  assert.deepEqual(body, {
    messages: [{ role: "system", content: "Be kind." }, { role: "user", content: "Hi" }],
    model: "demo", temperature: 0, stop: ["END"],
  });
  assert.equal(requestBody(turns, { top_p: "7" }).field, "top_p");
});

test("an answer that said nothing is not sent back", () => {
  const failed = [...turns, { role: "assistant", content: "", state: "failed" }, ...turns];
  const { messages } = requestBody(failed, {}).value;
  assert.deepEqual(messages.map(({ role }) => role), ["user", "user"]);
});

test("JSON mode sends OpenAI's response_format, or says what is wrong", () => {
  const settings = { json: true, schema: JSON.stringify(example_schema) };
  assert.deepEqual(requestBody(turns, settings).value.response_format, {
    type: "json_schema", json_schema: { name: "answer", schema: example_schema, strict: true },
  });
  assert.match(requestBody(turns, { json: true, schema: "{" }).error, /not valid JSON/);
  assert.match(readSchema("[]").error, /must be a JSON object/);
  assert.equal(prettyJson('{"a":[1]}'), '{\n  "a": [\n    1\n  ]\n}');
  assert.equal(prettyJson('{"a":'), null);
});

test("what the server says of a schema", () => {
  const message = "response_format.json_schema cannot be enforced: at /a: b: c";
  assert.equal(schemaRefusal({ param: "response_format.json_schema", message }),
               "The schema cannot be enforced: at /a: b: c");
  for (const param of ["temperature", null, undefined])
    assert.equal(schemaRefusal({ param, message }), null);
  assert.deepEqual(schemaNotes([{ pointer: "/a", keyword: "k", reason: "no" },
                                { pointer: "", keyword: "", reason: "all" }]),
                   ["Not enforced: /a: k: no", "Not enforced: all"]);
});

test("the back-off doubles up to its bound", () => {
  const longest = () => 1;
  assert.deepEqual([0, 1, 2, 3].map((n) => backOff(n, longest)), [500, 1000, 2000, 4000]);
  assert.equal(backOff(1000, longest), 30000);
  assert.equal(backOff(0, () => 0), 250);
  assert.equal(retryAfterMs("3"), 3000);
  for (const none of [null, "", "soon", "-1"]) assert.equal(retryAfterMs(none), null);
});

test("server-sent events arrive whole, however they are cut", () => {
  const text = ": comment\ndata: {\"a\": 1}\n\ndata: x\r\ndata:y\r\n\r\nevent: z\n\n" +
    "data: [DONE]\n\n";
  const wanted = ['{"a": 1}', "x\ny", "[DONE]"];
  for (const size of [1, 2, 3, 10, 1000]) {
    const reader = new EventReader();
    const found = [];
    for (let i = 0; i < text.length; i += size) found.push(...reader.push(text.slice(i, i + size)));
    assert.deepEqual(found, wanted, `pieces of ${size}`);
  }
});
