"""Schemas and expressions made to hurt: each is refused or served, its neighbour's tokens keep
coming meanwhile, and the server's memory stays bounded."""
import concurrent.futures
import http.client
import json
import socket
import threading

from troupe_server import PATIENCE, Server

# Many times what one attack may take; a server that hangs takes for ever.
HANG_SECONDS = 60 * PATIENCE
MAX_GROWTH_BYTES = 600 << 20


def properties(num):
    return {"type": "object", "properties": {f"p{i}": {"type": "integer"} for i in range(num)},
            "required": [f"p{i}" for i in range(0, num, 2)]}


def nested_text(depth, opening, inner, closing):
    """As text: Python's own writer gives up earlier than the server."""
    return opening * depth + inner + closing * depth


def nested_refs(depth):
    """Each definition has the next one twice: 2^depth paths."""
    defs = {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(depth)}
    defs[f"d{depth}"] = {"type": "object", "properties": {"a": {"type": "string"}}}
    return {"$ref": "#/$defs/d0", "$defs": defs}


def crossed_unions(num, width):
    """The product of `num` unions."""
    return {"allOf": [{"anyOf": [{"type": "object", "properties": {f"k{i}": {"const": j}},
                                  "required": [f"k{i}"]} for j in range(width)]}
                      for i in range(num)]}


def doubled_objects(depth):
    defs = {f"d{i}": {"type": "object", "properties": {
        name: {"$ref": f"#/$defs/d{i + 1}"} for name in ("a", "b")}, "required": ["a", "b"]}
        for i in range(depth)}
    return {"$ref": "#/$defs/d0", "$defs": {**defs, f"d{depth}": {"type": "null"}}}


def alternatives(num):
    return {"oneOf": [{"type": "string", "pattern": f"^(a|b){{{i},}}c.*d{{{i}}}$"}
                      for i in range(num)]}


def schema_body(schema):
    text = schema if isinstance(schema, str) else json.dumps(schema)
    return '{"prompt": "x", "max_tokens": 48, "json_schema": ' + text + "}"


def expression_body(pattern):
    return json.dumps({"prompt": "x", "max_tokens": 48, "regex": pattern})


DEEP = nested_text(10_000, '{"items":', "true", "}")
ATTACKS = {
    "100,000 properties": schema_body(properties(100_000)),
    "10,000 levels": schema_body(DEEP),
    "10,000 levels in a text": json.dumps({"prompt": "x", "guided_json": DEEP}),
    "60 levels of objects": schema_body(nested_text(25, '{"properties":{"a":', "true", "}}")),
    "a schema of 1 MB": schema_body({"enum": ["x" * 60 + str(i) for i in range(15_000)]}),
    "a text of 1 MB": schema_body({"const": "y" * (1 << 20)}),
    "a description of 1 MB": schema_body({"type": "null", "description": "z" * (1 << 20)}),
    "references that double": schema_body(nested_refs(60)),
    "objects that double": schema_body(doubled_objects(40)),
    "a reference to itself": schema_body({"$ref": "#"}),
    "references in a circle": schema_body({"$ref": "#/$defs/a", "$defs": {
        "a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}),
    "a list that must hold itself": schema_body({"type": "array", "items": {"$ref": "#"},
                                                 "minItems": 2}),
    "a remote reference": schema_body({"$ref": "http://127.0.0.1:9/schema.json"}),
    "a reference to a file": schema_body({"$ref": "file:///etc/hostname"}),
    "a product of unions": schema_body(crossed_unions(12, 12)),
    "overlapping alternatives": schema_body(alternatives(40)),
    "a huge list": schema_body({"type": "array", "minItems": 2_000_000_000,
                                "items": {"type": "null"}}),
    "a huge text": schema_body({"type": "string", "minLength": 1_000_000_000}),
    "a huge number": schema_body({"type": "integer", "minimum": int("9" * 400)}),
    "a huge divisor": schema_body({"type": "integer", "multipleOf": 999_999_999_989}),
    "a fine divisor": schema_body('{"type": "number", "multipleOf": 1e-300}'),
    "nested plus": expression_body("(a+)+$"),
    "nested repeats": expression_body("((a{1,1000}){1,1000}){1,1000}"),
    "huge repeats": expression_body("(ab|cd){65536}{65536}"),
    "exponential states": expression_body("(a|b)*a(a|b){200}"),
    "a pattern with exponential states": schema_body({"type": "string",
                                                      "pattern": "(a|b)*a(a|b){40}c"}),
    "many brackets": expression_body("(" * 20_000 + "a" + ")" * 20_000),
    "many alternatives": expression_body("|".join(f"[a-z]{{{i}}}{i}" for i in range(3_000))),
    "a long expression": expression_body("a?" * 100_000),
    "many choices": json.dumps({"prompt": "x", "max_tokens": 48, "choice":
                                [f"choice number {i}" for i in range(9_999)]}),
    "long choices": json.dumps({"prompt": "x", "max_tokens": 48, "choice":
                                [str(i % 10) * 8_000 + str(i) for i in range(100)]}),
    "a left-recursive grammar": json.dumps({"prompt": "x", "max_tokens": 48, "grammar":
                                            'root ::= root "a" | "b"'}),
    "an ambiguous grammar": json.dumps({"prompt": "x", "max_tokens": 48, "grammar":
                                        'root ::= (x | y)* "!"\nx ::= "a"* \ny ::= "a"*'}),
    "a very ambiguous grammar": json.dumps({"prompt": "x", "max_tokens": 48, "grammar":
                                            'root ::= root root root | root root | "a" | ""'}),
    "an ambiguous list": json.dumps({"prompt": "x", "max_tokens": 48, "grammar":
                                     'root ::= w+\nw ::= [a-z]+ | w w'}),
    "a grammar of many rules": json.dumps({"prompt": "x", "max_tokens": 48, "grammar": "\n".join(
        f'r{i} ::= "a" r{i + 1} | r{i + 1} "b"' for i in range(3_000)) +
        '\nr3000 ::= "c"\nroot ::= r0'}),
}


class Neighbour:
    """A stream that goes on all the while."""

    def __init__(self, server):
        self.line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=HANG_SECONDS)
        body = {"prompt": "Tell me a very long story.", "max_tokens": 3800, "ignore_eos": True,
                "stream": True, "json_schema": {"type": "array", "items": {
                    "type": "string", "maxLength": 9}, "minItems": 2000}}
        self.line.request("POST", "/generate", json.dumps(body),
                          {"Content-Type": "application/json"})
        self.answer = self.line.getresponse()
        assert self.answer.status == 200, self.answer.read()
        self.num_events = 0
        self.end = None
        self.arrived = threading.Condition()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.answer:
            if not line.startswith(b"data: {"):
                continue
            event = json.loads(line[6:])
            with self.arrived:
                self.num_events += 1
                self.end = event.get("finish_reason") or event.get("error")
                self.arrived.notify_all()
            if self.end:
                return

    def moves_on(self):
        """Another event comes, or it has come to its regular end."""
        with self.arrived:
            before = self.num_events
            come = self.arrived.wait_for(lambda: self.end or self.num_events > before,
                                         HANG_SECONDS)
        assert come and self.end in (None, "length"), (come, self.end)

    def close(self):
        """The client leaves."""
        self.line.sock.shutdown(socket.SHUT_RDWR)
        self.reader.join(HANG_SECONDS)
        self.line.close()


def attack(server, body):
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=HANG_SECONDS)
    try:
        path = "/v1/completions" if '"guided_json"' in body[:200] else "/generate"
        line.request("POST", path, body.encode(), {"Content-Type": "application/json"})
        answer = line.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        line.close()


def check(server, name, body, neighbour):
    found = {}
    thread = threading.Thread(target=lambda: found.update(done=attack(server, body)))
    thread.start()
    neighbour.moves_on()  # while the attack is worked on
    thread.join(HANG_SECONDS)
    assert not thread.is_alive() and found, f"{name}: no answer"
    status, answer = found["done"]
    assert status in (200, 400, 413), (name, status, str(answer)[:400])
    if status != 200:
        assert len(answer["error"]["message"]) < 1000, (name, str(answer)[:2000])
    neighbour.moves_on()
    return status


def check_all_at_once(server):
    """Eight at a time; then a client may also be told to come back later."""
    neighbour = Neighbour(server)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(attack, server, body) for body in ATTACKS.values()]
        neighbour.moves_on()
        for name, answer in zip(ATTACKS, answers):
            status = answer.result(HANG_SECONDS)[0]
            assert status in (200, 400, 413, 429, 503), (name, status)
    neighbour.close()


def main():
    with Server("--max-model-len", 4096, "--max-num-seqs", 8) as server:
        before = server.rss_bytes()
        neighbour = Neighbour(server)
        statuses = []
        for name, body in ATTACKS.items():
            if neighbour.end:
                neighbour = Neighbour(server)
            statuses.append(check(server, name, body, neighbour))
            grown = server.rss_bytes() - before
            assert grown < MAX_GROWTH_BYTES, f"{name}: {grown >> 20} MiB more"
            print(f"{name}: {statuses[-1]}, {grown >> 20} MiB", flush=True)
        check_all_at_once(server)
        grown = server.rss_bytes() - before
        assert grown < MAX_GROWTH_BYTES, f"all at once: {grown >> 20} MiB more"
        # Another one is served as ever.
        status, answer = server.post({"prompt": "x", "json_object": True, "max_tokens": 4})
        assert status == 200, answer
    assert {200, 400} <= set(statuses), statuses
    print(f"{len(statuses)} attacks, {statuses.count(200)} of them served")


if __name__ == "__main__":
    main()
