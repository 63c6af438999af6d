"""The form of an answer on every API: every kind under every name, whole and in events, over
WebSockets, with logprobs, stop strings and several answers; the same under every schedule; beside
tools; and what is wrong with a form is told by its field."""
import asyncio
import concurrent.futures
import json
import re
import sys

try:
    import jsonschema
    import websockets
except ImportError:
    print("skipped: there is no python3-jsonschema or no python3-websockets")
    sys.exit(77)

from structured_apis import (APIS, CHOICE, REGEX, SCHEMA, Chat, Completions, Messages, Ours,
                             Responses, SGLang, Tgi, events_of)
from troupe_server import Server

def is_sum(text):
    """What the EBNF of the tests describes: brackets become terms until none are left."""
    sum_of_terms = r"(?:[1-9][0-9]?|t)(?: \+ (?:[1-9][0-9]?|t))*"
    before = None
    while text != before:
        before, text = text, re.sub(rf"\({sum_of_terms}\)", "t", text)
    return re.fullmatch(sum_of_terms, text) is not None


def check_form(name, text):
    kind = name.split()[-1] if name.split()[-1] != "text" else "schema"
    if kind == "schema":
        jsonschema.validate(json.loads(text), SCHEMA)
    elif kind == "object":
        assert isinstance(json.loads(text), dict), text
    elif kind == "any":
        json.loads(text)
    elif kind == "regex":
        assert re.fullmatch(REGEX, text), text
    elif kind == "choice":
        assert text in CHOICE, text
    else:
        assert kind == "grammar" and is_sum(text), text


def ask(server, api, form, **options):
    status, answer = server.post(api.body(form, **options), path=api.path)
    assert status == 200, (api.path, form, status, answer)
    return answer


def ask_events(server, api, form, **options):
    status, text = server.post(api.body(form, stream=True, **options), path=api.stream_path)
    assert status == 200, (api.path, form, status, text)
    return events_of(text)


def check_every_kind(server):
    """Each kind of each API, whole and streamed: the same text, and of its form unless cut."""
    num_ended = num_cut = 0
    for api in APIS:
        for seed, (name, form) in enumerate(api.forms(SCHEMA).items()):
            options = {"max_tokens": 160, "seed": seed, "temperature": 0.9}
            text, reason = api.whole(ask(server, api, form, **options))
            streamed = api.streamed(ask_events(server, api, form, **options))
            assert streamed == (text, reason), (api.path, name, text, streamed)
            if reason == "length":
                num_cut += 1
                continue
            assert reason == "stop", (api.path, name, reason)
            check_form(name, text)
            num_ended += 1
    assert num_ended > 3 * num_cut, (num_ended, num_cut)
    return num_ended + num_cut


def check_warnings(server):
    """What is not enforced is told: a keyword that no draft knows, a format that none has."""
    schema = {"type": "string", "maxLength": 5, "x-order": 1, "format": "barcode"}
    for api in APIS:
        form = api.forms(schema)["schema"]
        answer = ask(server, api, form, max_tokens=32, seed=1)
        keywords = {note["keyword"] for note in answer["warnings"]}
        assert keywords == {"x-order", "format"}, (api.path, answer)
        assert all(set(note) == {"pointer", "keyword", "reason"} for note in answer["warnings"])
        events = json.dumps(ask_events(server, api, form, max_tokens=32, seed=1))
        assert '"warnings": [' in events, (api.path, events)
        plain = ask(server, api, api.forms({"type": "null"})["schema"], max_tokens=32)
        assert "warnings" not in plain, (api.path, plain)


def check_lenient(server):
    """What cannot be enforced is refused, or with `lenient` enforced in part and told."""
    numbers = {"type": "array", "items": {"type": "integer"}, "maxItems": 2, "uniqueItems": True}
    schema = {"type": "object", "properties": {"a": numbers}, "required": ["a"],
              "additionalProperties": False}
    for api in APIS:
        status, refused = server.post(api.body(api.forms(schema)["schema"]), path=api.path)
        place = "/properties/a/uniqueItems: uniqueItems: "
        assert status in (400, 422) and place in json.dumps(refused), refused
        answer = ask(server, api, api.forms(schema, lenient=True)["schema"], max_tokens=64)
        notes = [(note["pointer"], note["keyword"]) for note in answer["warnings"]]
        assert notes == [("/properties/a/uniqueItems", "uniqueItems")], answer
        text, reason = api.whole(answer)
        assert reason == "length" or len(json.loads(text)["a"]) <= 2, text
    tool = tool_of(strict=True)
    tool["function"]["parameters"]["properties"]["n"] = numbers
    chat = Chat()
    for more, wanted in (({}, 400), ({"lenient": True}, 200)):
        tool["function"].update(more)
        body = chat.body({}, tools=[tool], tool_choice="required", max_tokens=64)
        status, answer = server.post(body, path=chat.path)
        assert status == wanted and "uniqueItems" in json.dumps(answer), (status, answer)


def check_several(server):
    """n answers are of the form each, and the first is that of n = 1."""
    for api in (Ours(), Completions(), Chat(), SGLang()):
        form = api.forms(SCHEMA)["regex"]
        options = {"max_tokens": 64, "seed": 3, "temperature": 1.0}
        one = api.whole(ask(server, api, form, **options))
        two = ask(server, api, form, n=2, **options)
        texts = [api.whole(each) for each in two] if isinstance(two, list) else \
            [api.whole({**two, **choice, "choices": [choice]}) for choice in two["choices"]]
        assert len(texts) == 2 and texts[0] == one, (one, texts)
        for text, reason in texts:
            assert reason == "stop" and re.fullmatch(REGEX, text), texts


def check_logprobs(server):
    chat = Chat()
    answer = ask(server, chat, chat.forms(SCHEMA)["schema"], max_tokens=160, seed=2, logprobs=True,
                 top_logprobs=3)
    tokens = answer["choices"][0]["logprobs"]["content"]
    content = answer["choices"][0]["message"]["content"]
    assert b"".join(bytes(t["bytes"]) for t in tokens).decode() == content, tokens
    assert all(t["logprob"] <= 0 and len(t["top_logprobs"]) == 3 for t in tokens), tokens


def check_stops(server):
    """A stop string cuts an answer of a form as any other."""
    for api in (Ours(), Tgi(), Completions(), Chat()):
        form = {**api.forms(SCHEMA)["regex"]}
        text = json.dumps(form).replace(json.dumps(REGEX)[1:-1], "[a-m]{5}x[a-m]{5}")
        whole = api.whole(ask(server, api, json.loads(text), max_tokens=64, seed=1))[0]
        assert re.fullmatch("[a-m]{5}x[a-m]{5}", whole), whole
        cut, reason = api.whole(ask(server, api, json.loads(text), max_tokens=64, seed=1,
                                    stop="x"))
        assert cut == whole[:5] and reason == "stop", (whole, cut, reason)


def check_schedules(server):
    """The same answers one by one and 16 at once."""
    chat, ours = Chat(), Ours()
    bodies = []
    for seed in range(32):
        api = (chat, ours)[seed % 2]
        names = ["schema", "regex", "choice", "object"]
        form = api.forms(SCHEMA)[names[seed // 2 % 4]]
        bodies.append((api.path, api.body(form, max_tokens=80, seed=seed, temperature=1.2)))
    apis = {chat.path: chat, ours.path: ours}

    def post(item):
        path, body = item
        status, answer = server.post(body, path=path)
        assert status == 200, answer
        return apis[path].whole(answer)
    alone = [post(item) for item in bodies]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        together = list(pool.map(post, bodies))
    assert alone == together, [(a, t) for a, t in zip(alone, together) if a != t][:2]
    assert len(set(alone)) > 12, "the answers should differ"


def tool_of(**more):
    parameters = {"type": "object", "properties": {"city": {"enum": ["Oslo", "Rome"]}},
                  "required": ["city"], "additionalProperties": False}
    return {"type": "function", "function": {"name": "weather", "parameters": parameters, **more}}


def check_tools(server):
    """Beside tools an answer is a call, or has the form that was asked for."""
    chat = Chat()
    form = chat.forms({"type": "object", "properties": {"text": {"type": "string", "maxLength": 9}},
                       "required": ["text"], "additionalProperties": False})["schema"]
    seen = set()
    for seed in range(12):
        bias = {call_token(server): 100 if seed % 2 else -100}
        message = ask(server, chat, form, tools=[tool_of()], max_tokens=96, seed=seed,
                      parallel_tool_calls=False, temperature=1, logit_bias=bias)["choices"][0]
        assert message["finish_reason"] in ("stop", "tool_calls"), message
        calls = message["message"].get("tool_calls")
        if calls:
            seen.add("call")
            assert not message["message"]["content"], message
            assert json.loads(calls[0]["function"]["arguments"])["city"] in ("Oslo", "Rome")
        else:
            seen.add("text")
            assert set(json.loads(message["message"]["content"])) == {"text"}, message
    assert seen == {"call", "text"}, seen
    forced = ask(server, chat, form, tools=[tool_of()], tool_choice="required", max_tokens=96)
    assert forced["choices"][0]["message"]["tool_calls"], forced
    none = ask(server, chat, form, tools=[tool_of()], tool_choice="none", max_tokens=96)
    assert "text" in json.loads(none["choices"][0]["message"]["content"]), none
    check_tools_elsewhere(server)


def call_token(server):
    tokens = server.post({"prompt": "<tool_call>"}, path="/tokenize")[1]["tokens"]
    assert len(tokens) == 1, tokens
    return str(tokens[0])


def check_tools_elsewhere(server):
    """Strict and required tools of the other two APIs."""
    function = {"type": "function", **tool_of(strict=True)["function"]}
    answer = ask(server, Responses(), None, tools=[function], tool_choice="required",
                 max_tokens=96)
    call = answer["output"][0]
    assert call["type"] == "function_call", answer
    assert json.loads(call["arguments"])["city"] in ("Oslo", "Rome")
    tool = {"name": "weather", "input_schema": function["parameters"], "strict": True}
    answer = ask(server, Messages(), {}, tools=[tool], tool_choice={"type": "any"}, max_tokens=96)
    assert answer["content"][0]["input"]["city"] in ("Oslo", "Rome"), answer


async def check_sockets(server):
    """The same bodies over both WebSockets."""
    chat, responses = Chat(), Responses()
    body = chat.body(chat.forms(SCHEMA)["schema"], max_tokens=160, seed=9)
    wanted = chat.whole(server.post(body, path=chat.path)[1])
    async with websockets.connect(f"ws://127.0.0.1:{server.port}/ws") as line:
        await line.send(json.dumps({"type": "generate", "id": "a", "body": body}))
        events = []
        while not events or events[-1]["type"] not in ("finished", "error"):
            events.append(json.loads(await asyncio.wait_for(line.recv(), 60)))
        assert chat.streamed([e["data"] for e in events if e["type"] == "tokens"]) == wanted
        bad = {**body, "response_format": {"type": "regex", "regex": "("}}
        await line.send(json.dumps({"type": "generate", "id": "b", "body": bad}))
        refused = json.loads(await line.recv())
        assert refused["error"]["param"] == "response_format.regex", refused
    body = responses.body(responses.forms(SCHEMA)["choice"], seed=9)
    async with websockets.connect(f"ws://127.0.0.1:{server.port}/v1/responses") as line:
        await line.send(json.dumps({"type": "response.create", **body}))
        events = []
        while not events or events[-1]["type"] != "response.completed":
            events.append(json.loads(await asyncio.wait_for(line.recv(), 60)))
        assert responses.streamed(events)[0] in CHOICE


BAD_SCHEMA = {"type": "object", "properties": {"a/b": {"type": "string", "pattern": "(?=x)y"}}}


def check_refusals(server):
    """Field, pointer, keyword and reason, in the form of each API's errors."""
    fields = {Ours: "json_schema", SGLang: "sampling_params.json_schema",
              Tgi: "parameters.grammar.value", Completions: "response_format.json_schema",
              Chat: "response_format.json_schema", Responses: "text.format",
              Messages: "output_config.format.schema"}
    for api in APIS:
        field = fields[type(api)]
        body = api.body(api.forms(BAD_SCHEMA)["schema"])
        for stream in ({}, {"stream": True}):
            status, answer = server.post({**body, **stream}, path=api.path)
            assert status == (422 if isinstance(api, Tgi) else 400), (api.path, status, answer)
            said = answer["error"] if isinstance(api, Tgi) else answer["error"]["message"]
            start = f"{field} cannot be enforced: at /properties/a~1b/pattern: pattern: "
            assert said.startswith(start) and len(said) > len(start), said
            if not isinstance(api, (Tgi, Messages)):
                assert answer["error"]["param"] == field, answer
    for form, words in WRONG:
        status, answer = server.post(Chat().body(form), path=Chat.path)
        assert status == 400, (form, status, answer)
        assert words in answer["error"]["message"], (form, answer)


def schema_form(schema):
    return {"guided_json": schema}


WRONG = [
    (schema_form({"type": "strnig"}), "at /type: type"),
    (schema_form({"type": "string", "minLength": 3, "maxLength": 2}), "guided_json"),
    (schema_form({"$ref": "http://127.0.0.1:9/x.json"}), "at /$ref: $ref"),
    (schema_form({"$ref": "#/$defs/none"}), "at /$ref: $ref"),
    (schema_form({"enum": []}), "unsatisfiable"),
    (schema_form(False), "guided_json cannot be enforced"),
    (schema_form({"type": "object", "required": ["a"], "additionalProperties": False}),
     "at /required"),
    ({"guided_regex": "a{2,1}"}, "guided_regex cannot be enforced: regex"),
    ({"guided_regex": "(?<=a)b"}, "guided_regex cannot be enforced: regex"),
    ({"guided_grammar": "root ::= missing"}, "guided_grammar cannot be enforced"),
    ({"guided_grammar": "::="}, "guided_grammar cannot be enforced"),
    ({"guided_choice": []}, "guided_choice must have at least one text"),
    ({"guided_regex": "a", "guided_choice": ["a"]}, "guided_regex and guided_choice exclude"),
    ({"guided_regex": "a", "response_format": {"type": "json_object"}},
     "response_format and guided_regex exclude"),
]


def main():
    with Server("--max-model-len", 1024) as server:
        num = check_every_kind(server)
        check_several(server)
        check_logprobs(server)
        check_stops(server)
        check_schedules(server)
        check_tools(server)
        asyncio.run(check_sockets(server))
        check_refusals(server)
        check_warnings(server)
        check_lenient(server)
    print(f"{num} forms of answers, whole and in events")


if __name__ == "__main__":
    main()
