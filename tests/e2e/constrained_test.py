"""Answers under a constraint: the same under every schedule, with steps for every token or not.

Asked for logprobs, every token has its own step; without, certain tokens come at once. One by one
on a plain server with logprobs, then all at once without, with a quarter of the pages they need.
"""
import json

from troupe_server import Server

PERSON = {"type": "object", "additionalProperties": False,
          "properties": {"name": {"type": "string", "maxLength": 12},
                         "sentiment": {"enum": ["positive", "negative", "neutral"]},
                         "score": {"type": "integer", "minimum": 0, "maximum": 100}},
          "required": ["name", "sentiment", "score"]}
SCHEMAS = [PERSON, {"type": "array", "items": PERSON, "minItems": 2, "maxItems": 3},
           {"enum": ["a long word", "a longer word"]}, {"type": "string", "pattern": "^[ab]{3,9}$"},
           {"const": {"all": ["of", "this", "is", "certain"]}}, None]
SCHEDULES = [["--max-num-batched-tokens", 16], ["--max-num-batched-tokens", 512],
             ["--max-num-batched-tokens", 64, "--no-enable-prefix-caching", "--threads", 1]]
PATH = "/v1/chat/completions"


def requests():
    bodies = []
    for i in range(36):
        schema = SCHEMAS[i % len(SCHEMAS)]
        body = {"model": "demo", "seed": i, "max_tokens": 30 + i * 11 % 90,
                "temperature": 0 if i % 4 == 0 else 0.9, "frequency_penalty": 0.3 * (i % 3),
                "messages": [{"role": "user", "content": f"Review {i % 7}: " + "good, cheap " * 9}]}
        if i % 9 == 4:
            body["stop"] = ["neg", "word"]
        if schema:
            body["response_format"] = {"type": "json_schema",
                                       "json_schema": {"name": "x", "schema": schema}}
        bodies.append(body)
    return bodies


def facts(results):
    out = []
    for status, body in results:
        assert status == 200, (status, body)
        choice = body["choices"][0]
        out.append((choice["message"]["content"], choice["finish_reason"],
                    body["usage"]["completion_tokens"]))
    return out


def check_refusal(server):
    bad = {"type": "object", "properties": {"a": {"type": "string", "pattern": "(?=x)y"}}}
    body = requests()[0]
    body["response_format"]["json_schema"]["schema"] = bad
    for _ in range(2):
        status, answer = server.post(body, path=PATH)
        assert status == 400 and "/properties/a" in answer["error"]["message"], answer


def main():
    bodies = requests()
    flags = ["--served-model-name", "demo"]
    with Server(*flags, "--no-enable-prefix-caching") as server:
        expected = facts(server.post({**b, "logprobs": True}, path=PATH) for b in bodies)
        assert server.metric("troupe_grammar_forced_tokens_total") == 0
        check_refusal(server)
        assert server.metric("troupe_grammar_refusals_total") == 2
        assert server.metric("troupe_grammar_cache_misses_total") == len(SCHEMAS)
    for body, (text, why, _) in zip(bodies, expected):
        if body.get("response_format") and why == "stop" and "stop" not in body:
            json.loads(text)
    num_forced = 0
    for schedule in SCHEDULES:
        with Server(*flags, *schedule, "--max-model-len", 384, "--num-gpu-blocks-override",
                    24) as server:
            got = facts(server.post_all(bodies, 36, PATH))
            assert got == expected, [
                (e, g) for e, g in zip(expected, got) if e != g][:3]
            num_forced += server.metric("troupe_grammar_forced_tokens_total")
            assert server.metric("troupe_grammar_failures_total") == 0
            assert server.metric("troupe_kv_pages_used") == 0
            print(f"{schedule}: equal; "
                  f"{server.metric('vllm:num_preemptions_total'):.0f} preemptions, "
                  f"{server.metric('troupe_grammar_late_masks_total'):.0f} late masks, "
                  f"{server.metric('troupe_grammar_forced_tokens_total'):.0f} forced tokens")
    assert num_forced > 0


if __name__ == "__main__":
    main()
