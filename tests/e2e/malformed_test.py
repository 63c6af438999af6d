"""Over 300 malformed requests: each is answered 4xx in the form of its API, names its field, and
costs nobody else anything."""
import json
import os
import pathlib

from troupe_server import Server

SHARED = pathlib.Path(os.environ.get("TROUPE_SHARED_DATA", "/nowhere"))
PARSING = SHARED / "jsonschema" / "JSONTestSuite" / "test_parsing"

# Of each API: a body that is fine, and where its text, its limit and its refusals stand.
APIS = {
    "/generate": {"prompt": "Hi", "max_tokens": 2},
    "/generate_stream": {"inputs": "Hi", "parameters": {"max_new_tokens": 2}},
    "/v1/completions": {"prompt": "Hi", "max_tokens": 2},
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2},
    "/v1/responses": {"input": "Hi", "max_output_tokens": 16},
    "/v1/messages": {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2},
    "/tokenize": {"prompt": "Hi"},
    "/detokenize": {"tokens": [1]},
}
# What every API must find wrong, by the place in the body.
WRONG_EVERYWHERE = [("unheard_of", 1), ("model", 5), ("model", "no-such-model")]
SAMPLED = {"/generate", "/v1/completions", "/v1/chat/completions", "/v1/messages"}
WRONG_SAMPLING = [
    ("temperature", -1), ("temperature", 2.1), ("temperature", "hot"), ("temperature", []),
    ("top_p", 0), ("top_p", 1.1), ("top_p", {}), ("top_k", -2), ("top_k", 1.5),
    ("min_p", -0.1), ("max_tokens", 0), ("max_tokens", -1), ("max_tokens", 1 << 63),
    ("max_tokens", 10_000_000), ("max_tokens", "5"), ("max_tokens", True), ("stream", "yes"),
    ("frequency_penalty", 3), ("presence_penalty", -3), ("repetition_penalty", 0),
    ("seed", 1.5), ("logit_bias", {"-1": 1}), ("logit_bias", {"5": 1000}), ("logit_bias", 5),
    ("stop_token_ids", [-1]), ("stop_token_ids", [1 << 40]), ("min_tokens", -5),
]
WRONG_FIELDS = {
    "/generate": [("prompt", ""), ("prompt", 5), ("prompt", []), ("prompt", [[]]),
                  ("prompt", [1, -1]), ("prompt", [1 << 40]), ("n", 0), ("n", 10**6),
                  ("best_of", 0), ("best_of", 10**6), ("logprobs", 10**6), ("stop", ""),
                  ("stop", ["x"] * 100), ("stop", "x" * 10_000), ("stop", [1]), ("text", "both"),
                  ("inputs", "both"), ("sampling_params", {})],
    "/generate_stream": [("inputs", ""), ("inputs", 5), ("parameters", 5),
                         ("parameters", {"top_p": 2}), ("parameters", {"max_new_tokens": 0}),
                         ("parameters", {"watermark": True}), ("parameters", {"best_of": 2}),
                         ("parameters", {"unheard_of": 1}), ("parameters", {"stop": "x" * 999})],
    "/v1/completions": [("prompt", ""), ("prompt", {}), ("suffix", "x"), ("n", 99),
                        ("logprobs", -1), ("stream_options", {}), ("echo", "yes")],
    "/v1/chat/completions": [
        ("messages", []), ("messages", "Hi"), ("messages", [5]), ("messages", [{}]),
        ("messages", [{"role": "king", "content": "Hi"}]), ("messages", [{"role": "user"}]),
        ("messages", [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]),
        ("messages", [{"role": "user", "content": "Hi", "mood": "good"}]), ("n", 0), ("n", 1000),
        ("top_logprobs", 5), ("logprobs", 3), ("tools", 5), ("tools", [{}]),
        ("tools", [{"type": "function", "function": {"name": ""}}]),
        ("tool_choice", "must"), ("response_format", {"type": "xml"}), ("response_format", 5),
        ("functions", []), ("modalities", ["audio"]), ("stream_options", {}),
        ("stop", ["x"] * 100)],
    "/v1/responses": [("input", 5), ("input", [{}]), ("max_output_tokens", 0), ("tools", 5),
                      ("previous_response_id", "resp_unknown"), ("temperature", 9),
                      ("text", {"format": {"type": "xml"}}), ("stream", 1)],
    "/v1/messages": [("messages", []), ("messages", [{"role": "system", "content": "Hi"}]),
                     ("messages", [{"role": "user", "content": [{"type": "image"}]}]),
                     ("system", 5), ("max_tokens", None), ("tools", [{}]), ("tool_choice", "auto"),
                     ("thinking", {"type": "enabled"}), ("stop_sequences", [""])],
    "/tokenize": [("prompt", 5), ("prompt", None)],
    "/detokenize": [("tokens", "x"), ("tokens", [-1]), ("tokens", [0.5]), ("tokens", None)],
}
RAW_BODIES = [b"", b"{", b"nul", b"[]", b"5", b'"text"', b"{}", b"\xff\xfe", b"[" * 100_000,
              b'{"a":' * 1000, b'{"prompt": "a", "prompt": "b"}', b'{"prompt": "\\ud800"}',
              b'{"prompt": "a", "temperature": NaN}', b'{"prompt": "a", "temperature": 1e999}',
              b'{"prompt": "a"} x', b"\x00" * 50]


def check_form(path, status, answer):
    """The refusal in the form that the API's clients read."""
    assert 400 <= status < 500, (path, status, answer)
    assert isinstance(answer, dict), (path, status, answer)
    if path.startswith("/v1/messages"):
        assert answer["type"] == "error" and answer["error"]["message"], answer
        assert answer["error"]["type"] in ("invalid_request_error", "not_found_error"), answer
    elif path == "/generate_stream":
        assert answer["error"] and answer["error_type"] == "validation", answer
    else:
        error = answer["error"]
        assert error["message"] and error["type"] and error["code"], answer
        assert "param" in error, answer


def message_of(answer):
    error = answer["error"]
    return error if isinstance(error, str) else error["message"] + str(error.get("param"))


def cases():
    for path, fine in APIS.items():
        wrong = WRONG_EVERYWHERE + WRONG_FIELDS[path]
        if path == "/generate_stream":
            wrong = [("unheard_of", 1)] + WRONG_FIELDS[path]
        if path in SAMPLED:
            wrong = wrong + WRONG_SAMPLING
        for field, value in wrong:
            yield path, json.dumps({**fine, field: value}).encode(), field
        for body in RAW_BODIES:
            yield path, body, None
    for file in sorted(PARSING.glob("n_*")):
        yield "/generate", file.read_bytes(), None
        yield "/v1/messages", file.read_bytes(), None


def main():
    num_cases = 0
    with Server() as server:
        connection = server.connect()
        for path, body, field in cases():
            status, answer = server.post(body, connection, path)
            check_form(path, status, answer)
            if field:
                assert field in message_of(answer), (path, field, answer)
            num_cases += 1
        # The connection that sent all of it is still good, and so is the server.
        for path, body in APIS.items():
            status, answer = server.post(body, connection, path)
            assert status == 200, (path, status, answer)
        assert server.metric("troupe_kv_pages_used") == 0
    assert num_cases >= 300, num_cases
    print(f"{num_cases} malformed requests, each refused in its API's form")


if __name__ == "__main__":
    main()
