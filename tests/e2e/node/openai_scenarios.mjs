// OpenAI's client against a running server: node openai_scenarios.mjs URL NODE_MODULES_FOLDER
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const [url, modules] = process.argv.slice(2);
const { default: OpenAI, APIUserAbortError, BadRequestError, NotFoundError } =
  createRequire(path.join(modules, 'here.js'))('openai');

const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
const model = 'demo';
const user = (content) => [{ role: 'user', content }];
const question = { model, messages: user('Write a short poem about the sea.'), seed: 7,
  max_tokens: 40 };

const weather = { name: 'weather', description: 'The weather of a city',
  parameters: { type: 'object', properties: { city: { type: 'string' } } } };

async function metric(name) {
  const text = await (await fetch(`${url}/metrics`)).text();
  const found = text.match(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm'));
  assert.ok(found, `no metric ${name}`);
  return Number(found[1]);
}

async function eventually(what, condition) {
  for (let i = 0; i < 1000; ++i) {
    if (await condition()) return;
    await pause(10);
  }
  assert.fail(`never: ${what}`);
}

const scenarios = {
  async 'the models'() {
    const ids = [];
    for await (const one of client.models.list()) ids.push(one.id);
    assert.deepEqual(ids, [model]);
  },

  async 'completions, whole and streamed'() {
    const ask = { model, prompt: 'Once upon a time', max_tokens: 12, seed: 3 };
    const whole = await client.completions.create(ask);
    assert.equal(whole.object, 'text_completion');
    let text = '';
    for await (const chunk of await client.completions.create({ ...ask, stream: true })) {
      text += chunk.choices[0].text;
    }
    assert.equal(text, whole.choices[0].text);
  },

  async 'a whole chat completion'() {
    const answer = await client.chat.completions.create(question);
    assert.equal(answer.object, 'chat.completion');
    assert.match(answer.id, /^chatcmpl-/);
    assert.equal(answer.model, model);
    assert.ok(answer._request_id);
    const [choice] = answer.choices;
    assert.equal(choice.message.role, 'assistant');
    assert.ok(choice.message.content.length > 0);
    assert.equal(choice.message.refusal, null);
    assert.ok(['stop', 'length'].includes(choice.finish_reason));
    const { usage } = answer;
    assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
    assert.ok(usage.prompt_tokens_details.cached_tokens >= 0);
    const again = await client.chat.completions.create(question);
    assert.equal(again.choices[0].message.content, choice.message.content);
  },

  async 'a streamed chat completion'() {
    const whole = await client.chat.completions.create(question);
    const stream = await client.chat.completions.create(
      { ...question, stream: true, stream_options: { include_usage: true } });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    assert.equal(chunks[0].choices[0].delta.role, 'assistant');
    const text = chunks.map((c) => c.choices[0]?.delta.content ?? '').join('');
    assert.equal(text, whole.choices[0].message.content);
    const last = chunks.pop();
    assert.deepEqual(last.choices, []);
    assert.equal(last.usage.completion_tokens, whole.usage.completion_tokens);
    assert.equal(chunks.at(-1).choices[0].finish_reason, whole.choices[0].finish_reason);
    assert.ok(chunks.every((c) => c.usage === null && c.id === last.id));
  },

  async 'the stream helper of the client'() {
    const runner = client.chat.completions.stream({ ...question, n: 2, temperature: 1 });
    const final = await runner.finalChatCompletion();
    assert.equal(final.choices.length, 2);
    assert.notEqual(final.choices[0].message.content, final.choices[1].message.content);
  },

  async 'several choices, logprobs, a bias'() {
    const answer = await client.chat.completions.create(
      { ...question, n: 3, logprobs: true, top_logprobs: 2, max_tokens: 5 });
    assert.deepEqual(answer.choices.map((c) => c.index), [0, 1, 2]);
    for (const choice of answer.choices) {
      for (const token of choice.logprobs.content) {
        assert.equal(token.top_logprobs.length, 2);
        assert.ok(token.logprob <= 0);
        assert.ok(token.bytes.every((byte) => byte >= 0 && byte < 256));
      }
    }
    const biased = await client.chat.completions.create(
      { ...question, logit_bias: { 65: 100 }, max_tokens: 3, temperature: 0, logprobs: true });
    const tokens = biased.choices[0].logprobs.content.map((token) => token.token);
    assert.equal(new Set(tokens).size, 1);
  },

  async 'a stop string'() {
    const whole = await client.chat.completions.create(question);
    const { content } = whole.choices[0].message;
    const stop = content.slice(10, 14);
    const cut = await client.chat.completions.create({ ...question, stop: [stop] });
    assert.equal(cut.choices[0].message.content, content.slice(0, content.indexOf(stop)));
    assert.equal(cut.choices[0].finish_reason, 'stop');
  },

  async 'tools in a conversation'() {
    const tools = [{ type: 'function', function: weather }];
    const messages = [
      ...user('How is the weather in Bern?'),
      { role: 'assistant', content: null, tool_calls: [
        { id: 'call_1', type: 'function',
          function: { name: 'weather', arguments: '{"city":"Bern"}' } }] },
      { role: 'tool', tool_call_id: 'call_1', content: 'rain' },
    ];
    const ask = { model, messages, max_tokens: 10 };
    const without = await client.chat.completions.create(ask);
    const none = await client.chat.completions.create({ ...ask, tools, tool_choice: 'none' });
    const auto = await client.chat.completions.create(
      { ...ask, tools, parallel_tool_calls: false });
    assert.equal(none.usage.prompt_tokens, without.usage.prompt_tokens);
    assert.ok(auto.usage.prompt_tokens > without.usage.prompt_tokens);
    assert.equal(auto.choices[0].message.role, 'assistant');
  },

  async 'a response, and another that goes on from it'() {
    const first = await client.responses.create(
      { model, instructions: 'Be brief.', input: 'What is the sea?', max_output_tokens: 20, seed: 1,
        metadata: { topic: 'sea' } });
    assert.equal(first.object, 'response');
    assert.ok(first.output_text.length > 0);
    assert.deepEqual(first.metadata, { topic: 'sea' });
    const second = await client.responses.create(
      { model, previous_response_id: first.id, input: 'And the sky?', max_output_tokens: 10 });
    assert.equal(second.previous_response_id, first.id);
    assert.ok(second.usage.input_tokens > first.usage.output_tokens);
    const kept = await client.responses.retrieve(first.id);
    assert.equal(kept.output[0].content[0].text, first.output_text);
    const items = [];
    for await (const item of client.responses.inputItems.list(first.id)) items.push(item);
    assert.deepEqual(items.map((item) => item.content[0].text), ['What is the sea?']);
    await client.responses.delete(first.id);
    await assert.rejects(client.responses.retrieve(first.id), NotFoundError);
    await assert.rejects(
      client.responses.create({ model, previous_response_id: first.id, input: 'a' }),
      BadRequestError);
  },

  async 'a streamed response'() {
    const ask = { model, input: [{ role: 'user', content: 'What is the sea?' }], seed: 1,
      max_output_tokens: 20, tools: [{ type: 'function', strict: false, ...weather }] };
    const whole = await client.responses.create(ask);
    const names = [];
    let text = '';
    let number = 0;
    let last;
    for await (const event of await client.responses.create({ ...ask, stream: true })) {
      assert.equal(event.sequence_number, number++);
      names.push(event.type);
      if (event.type === 'response.output_text.delta') text += event.delta;
      last = event;
    }
    assert.deepEqual(names.slice(0, 3),
      ['response.created', 'response.in_progress', 'response.output_item.added']);
    assert.match(last.type, /^response\.(completed|incomplete)$/);
    assert.equal(text, whole.output_text);
    assert.equal(last.response.output[0].content[0].text, text);
    const helper = client.responses.stream(ask);
    assert.equal((await helper.finalResponse()).output_text, text);
  },

  async 'errors have the classes that the client gives them'() {
    const wrong = (change) => client.chat.completions.create({ ...question, ...change });
    await assert.rejects(wrong({ temperature: 3 }),
      (error) => error instanceof BadRequestError && error.param === 'temperature');
    await assert.rejects(wrong({ messages: [{ role: 'user', content: 1 }] }),
      (error) => error instanceof BadRequestError && error.param === 'messages[0].content');
    await assert.rejects(wrong({ model: 'gpt-4o' }), NotFoundError);
    await assert.rejects(wrong({ max_tokens: 1, colour: 'blue' }),
      (error) => error instanceof BadRequestError && error.param === 'colour');
  },

  async 'a client that leaves frees its pages'() {
    const stream = await client.chat.completions.create(
      { ...question, max_tokens: 400, ignore_eos: true, stream: true });
    let num_chunks = 0;
    try {
      for await (const _ of stream) if (++num_chunks === 3) stream.controller.abort();
    } catch (error) {
      assert.ok(error instanceof APIUserAbortError);
    }
    await eventually('no page in use', async () => (await metric('troupe_kv_pages_used')) === 0);
  },
};

for (const [name, run] of Object.entries(scenarios)) {
  await run();
  console.log(`ok: ${name}`);
}
