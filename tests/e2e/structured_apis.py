"""Every API that generates: its names for the forms of an answer, where its text stands."""
import json

PROMPT = "Say something about servers."
SCHEMA = {"type": "object",
          "properties": {"ok": {"type": "boolean"},
                         "count": {"type": "integer", "minimum": -5, "maximum": 1200},
                         "tags": {"type": "array", "items": {"enum": ["a", "b", None]},
                                  "maxItems": 3}},
          "required": ["ok", "count"], "additionalProperties": False}
REGEX = "(yes|no|maybe)(, [a-z]{3,9}){1,3}\\."
CHOICE = ["red", "green", "dark blue", "\u7eff\u8272"]
EBNF = 'root ::= term (" + " term)*\nterm ::= [1-9] [0-9]? | "(" root ")"\n'


def named(schema, **more):
    return {"name": "answer", "schema": schema, **more}


def openai_forms(schema, **more):
    def formed(**form):
        return {"response_format": form}
    return {
        "schema": formed(type="json_schema", json_schema=named(schema, **more)),
        "object": formed(type="json_object"),
        "regex": formed(type="regex", regex=REGEX),
        "choice": formed(type="choice", choice=CHOICE),
        "grammar": formed(type="grammar", grammar=EBNF),
        "vllm schema": {"structured_outputs": {"json": schema, **more}},
        "vllm schema text": {"structured_outputs": {"json": json.dumps(schema), **more}},
        "vllm object": {"structured_outputs": {"json_object": True}},
        "vllm regex": {"structured_outputs": {"regex": REGEX}},
        "vllm choice": {"structured_outputs": {"choice": CHOICE}},
        "vllm grammar": {"structured_outputs": {"grammar": EBNF}},
        "guided schema": {"guided_json": schema},
        "guided regex": {"guided_regex": REGEX},
        "guided choice": {"guided_choice": CHOICE},
        "guided grammar": {"guided_grammar": EBNF}}


class Api:
    """A body with a form goes in, the text of the answer and its end come out."""
    path = stream_path = ""

    def body(self, form, **options):
        raise NotImplementedError

    def forms(self, schema, **more):
        raise NotImplementedError

    def whole(self, answer):
        """Text and finish reason, "stop" or "length"."""
        raise NotImplementedError

    def streamed(self, events):
        raise NotImplementedError


class Ours(Api):
    path = stream_path = "/generate"

    def body(self, form, **options):
        return {"prompt": PROMPT, **options, **form}

    def forms(self, schema, **more):
        return {"schema": {"json_schema": schema, **more}, "object": {"json_object": True},
                "regex": {"regex": REGEX}, "choice": {"choice": CHOICE},
                "grammar": {"grammar": EBNF}}

    def whole(self, answer):
        return answer["text"], answer["finish_reason"]

    def streamed(self, events):
        return "".join(e["text"] for e in events), events[-1]["finish_reason"]


class SGLang(Api):
    path = stream_path = "/generate"

    def body(self, form, max_tokens=128, stream=False, seed=0, **options):
        params = {"max_new_tokens": max_tokens, "sampling_seed": seed, **options, **form}
        return {"text": PROMPT, "stream": stream, "sampling_params": params}

    def forms(self, schema, **more):
        return {"schema": {"json_schema": json.dumps(schema), **more},
                "any": {"json_schema": "$$ANY$$"}, "regex": {"regex": REGEX},
                "grammar": {"ebnf": EBNF}}

    def whole(self, answer):
        return answer["text"], answer["meta_info"]["finish_reason"]["type"]

    def streamed(self, events):
        return self.whole(events[-1])


class Tgi(Api):
    path, stream_path = "/generate", "/generate_stream"

    def body(self, form, max_tokens=100, stream=False, stop=None, **options):
        params = {"max_new_tokens": max_tokens, "do_sample": True, "details": True, **options}
        if stop:
            params["stop"] = [stop]
        body = {"inputs": PROMPT, "parameters": params}
        if form:
            params["grammar"] = form
        return body

    def forms(self, schema, **more):
        return {"schema": {"type": "json", "value": schema, **more},
                "schema text": {"type": "json", "value": json.dumps(schema), **more},
                "named schema": {"type": "json_schema", "value": named(schema), **more},
                "regex": {"type": "regex", "value": REGEX}}

    def reason(self, details):
        return "length" if details["finish_reason"] == "length" else "stop"

    def whole(self, answer):
        return answer["generated_text"], self.reason(answer["details"])

    def streamed(self, events):
        return events[-1]["generated_text"], self.reason(events[-1]["details"])


class Completions(Api):
    path = stream_path = "/v1/completions"

    def body(self, form, **options):
        return {"prompt": PROMPT, **options, **form}

    def forms(self, schema, **more):
        return openai_forms(schema, **more)

    def whole(self, answer):
        return answer["choices"][0]["text"], answer["choices"][0]["finish_reason"]

    def streamed(self, events):
        choices = [e["choices"][0] for e in events]
        return "".join(c["text"] for c in choices), choices[-1]["finish_reason"]


class Chat(Api):
    path = stream_path = "/v1/chat/completions"

    def body(self, form, **options):
        return {"messages": [{"role": "user", "content": PROMPT}], **options, **form}

    def forms(self, schema, **more):
        return openai_forms(schema, **more)

    def whole(self, answer):
        choice = answer["choices"][0]
        return choice["message"]["content"], choice["finish_reason"]

    def streamed(self, events):
        choices = [e["choices"][0] for e in events]
        text = "".join(c["delta"].get("content") or "" for c in choices)
        return text, choices[-1]["finish_reason"]


class Responses(Api):
    path = stream_path = "/v1/responses"

    def body(self, form, max_tokens=128, **options):
        body = {"input": PROMPT, "max_output_tokens": max_tokens, "store": False, **options}
        return {**body, "text": {"format": form}} if form else body

    def forms(self, schema, **more):
        return {"schema": {"type": "json_schema", **named(schema, **more)},
                "object": {"type": "json_object"}, "regex": {"type": "regex", "regex": REGEX},
                "choice": {"type": "choice", "choice": CHOICE},
                "grammar": {"type": "grammar", "grammar": EBNF}}

    def whole(self, answer):
        text = "".join(part["text"] for item in answer["output"] for part in item["content"])
        return text, "stop" if answer["status"] == "completed" else "length"

    def streamed(self, events):
        text = "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")
        whole = self.whole(events[-1]["response"])
        assert text == whole[0], (text, whole)
        return whole


class Messages(Api):
    path = stream_path = "/v1/messages"

    def body(self, form, max_tokens=128, **options):
        return {"messages": [{"role": "user", "content": PROMPT}], "max_tokens": max_tokens,
                **options, **form}

    def forms(self, schema, **more):
        form = {"type": "json_schema", "schema": schema, **more}
        return {"schema": {"output_config": {"format": form}},
                "older schema": {"output_format": form}}

    def whole(self, answer):
        text = "".join(block["text"] for block in answer["content"])
        return text, "length" if answer["stop_reason"] == "max_tokens" else "stop"

    def streamed(self, events):
        text = "".join(e["delta"]["text"] for e in events if e["type"] == "content_block_delta")
        reason = [e["delta"]["stop_reason"] for e in events if e["type"] == "message_delta"][0]
        return text, "length" if reason == "max_tokens" else "stop"


APIS = [Ours(), SGLang(), Tgi(), Completions(), Chat(), Responses(), Messages()]


def events_of(text):
    """The JSON of server-sent events."""
    assert isinstance(text, str), text
    lines = [line.removeprefix("data:").strip() for line in text.splitlines()
             if line.startswith("data:")]
    return [json.loads(line) for line in lines if line != "[DONE]"]
