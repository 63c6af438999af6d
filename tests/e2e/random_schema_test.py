"""Random weights under 200 schemas: whatever the model likes best, each answer is an instance by
an independent validator, or max_tokens cut it."""
import concurrent.futures
import decimal
import json
import os
import pathlib
import random
import re
import sys
import tempfile

try:
    import jsonschema
except ImportError:
    print("skipped: there is no python3-jsonschema")
    sys.exit(77)

from troupe_server import DEMO, Server

SHARED = pathlib.Path(os.environ.get("TROUPE_SHARED_DATA", "/nowhere"))
SAMPLE = SHARED / "jsonschema" / "maskbench_public.jsonl"
NUM_SCHEMAS = 200
MAX_TOKENS = 96


class SchemaMaker:
    """Schemas of everything that is enforced, drawn at random."""

    def __init__(self, seed):
        self.chance = random.Random(seed)

    def draw(self, depth=0):
        kinds = [self.integer, self.number, self.text, self.enum]
        if depth < 3:
            kinds += [self.array, self.object, self.object, self.union]
        return self.chance.choice(kinds)(depth)

    def integer(self, _):
        low = self.chance.choice([-(10 ** 20), -1000, -7, 0, 3, 99])
        high = low + self.chance.randrange(1, 5000)
        schema = {"type": "integer", "minimum": low, "maximum": high}
        if self.chance.random() < 0.3:
            schema["multipleOf"] = self.chance.choice([2, 5, 7])
            schema["maximum"] = low + 5000
        return schema

    def number(self, _):
        return {"type": "number", "exclusiveMinimum": self.chance.randrange(-50, 50),
                "maximum": self.chance.randrange(51, 100) + 0.25}

    def text(self, _):
        forms = [{"maxLength": self.chance.randrange(1, 12)},
                 {"minLength": 2, "maxLength": 4},
                 {"pattern": "^[A-Z]{2}-[0-9]{3,5}$"},
                 {"pattern": "[aeiou]x", "maxLength": 9},
                 {"format": self.chance.choice(["date", "ipv4", "uuid", "time", "date-time"])}]
        return {"type": "string", **self.chance.choice(forms)}

    def enum(self, _):
        values = ["a", "ä\n", "long word", 1, 2.5, None, True, [1, {"a": 2}], {"k": "v"}]
        return {"enum": self.chance.sample(values, self.chance.randrange(1, 5))}

    def array(self, depth):
        schema = {"type": "array", "items": self.draw(depth + 1),
                  "maxItems": self.chance.randrange(1, 4)}
        if self.chance.random() < 0.4:
            schema["prefixItems"] = [self.draw(depth + 1)]
            schema["minItems"] = 1
        return schema

    def object(self, depth):
        names = self.chance.sample(["a", "b", "name", "größe", "x y", "z\"", ""], 3)
        schema = {"type": "object", "properties": {n: self.draw(depth + 1) for n in names},
                  "required": self.chance.sample(names, self.chance.randrange(0, 4))}
        if self.chance.random() < 0.7:
            schema["additionalProperties"] = False
        elif self.chance.random() < 0.5:
            schema["additionalProperties"] = self.integer(0)
            schema["maxProperties"] = 4
        return schema

    def union(self, depth):
        if self.chance.random() < 0.5:
            return {"anyOf": [self.draw(depth + 1), self.draw(depth + 1)]}
        base = {"type": "object", "properties": {"kind": {"type": "string", "maxLength": 5}},
                "required": ["kind"]}
        more = {"properties": {"kind": {"enum": ["one", "two", "three"]},
                               "n": self.integer(0)}, "required": ["n"],
                "additionalProperties": False}
        return {"allOf": [base, more]}


def schemas():
    """Half of them real ones, where the sample is at hand; some more, as some may be refused."""
    maker = SchemaMaker(7)
    own = [maker.draw() for _ in range(NUM_SCHEMAS + 20)]
    if not SAMPLE.exists():
        return own
    lines = SAMPLE.read_text().splitlines()[::7]
    real = [json.loads(line)["schema"] for line in lines[:len(own) // 2]]
    return real + own[len(real):]


def closing_bias(server):
    """Random weights hardly ever close a string or an object of their own accord."""
    def tokens_of(text):
        return server.post({"prompt": text, "add_special_tokens": False}, path="/tokenize")[1]
    bias = {}
    for text in ('"', '",', '"}', "}", "]", "}]", "}}", '"]'):
        tokens = tokens_of(text)["tokens"]
        if len(tokens) == 1:
            bias[str(tokens[0])] = 6
    return bias


def exact(text):
    return json.loads(text, parse_float=decimal.Decimal)


def is_integer(_, value):
    """1.0 is one; Python's validator knows that of its floats only."""
    if isinstance(value, decimal.Decimal):
        return value == value.to_integral_value()
    return isinstance(value, int) and not isinstance(value, bool)


def complaint(schema, text):
    """What the validator has against an answer, or nothing."""
    schema = exact(json.dumps(schema))
    base = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    types = base.TYPE_CHECKER.redefine("integer", is_integer)
    checker = jsonschema.validators.extend(base, type_checker=types)
    try:
        errors = checker(schema, format_checker=base.FORMAT_CHECKER).iter_errors(exact(text))
        return next((error.message for error in errors), None)
    except re.error:  # ECMA-262's expressions are not all Python's
        return None


def gather_model(folder):
    """Random weights with Qwen2.5's vocabulary where they are at hand, else the demo model."""
    weights, words = SHARED / "models" / "tiny", SHARED / "qwen2_5"
    names = [weights / "config.json", weights / "generation_config.json",
             weights / "model.safetensors", words / "tokenizer.json",
             words / "tokenizer_config.json"]
    if not all(name.exists() for name in names):
        return DEMO
    for name in names:
        (folder / name.name).symlink_to(name)
    return folder


def main():
    with tempfile.TemporaryDirectory() as folder:
        check(gather_model(pathlib.Path(folder)))


def check(model):
    with Server("--max-model-len", 1024, "--max-num-seqs", 16, model=model) as server:
        bias = closing_bias(server)

        def ask(numbered):
            seed, schema = numbered
            return schema, server.post({"prompt": "x", "json_schema": schema, "seed": seed,
                                        "max_tokens": MAX_TOKENS, "temperature": 1.0,
                                        "logit_bias": bias})
        num = {"ended": 0, "cut": 0, "refused": 0}
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            for schema, (status, answer) in pool.map(ask, enumerate(schemas())):
                if status == 400:
                    assert "json_schema cannot be enforced: " in answer["error"]["message"], answer
                    num["refused"] += 1
                    continue
                assert status == 200, (schema, status, answer)
                if answer["finish_reason"] == "length":
                    num["cut"] += 1
                    continue
                assert answer["finish_reason"] == "stop", answer
                wrong = complaint(schema, answer["text"])
                assert wrong is None, (json.dumps(schema), answer["text"], wrong)
                num["ended"] += 1
    words = "the demo model" if model == DEMO else "Qwen2.5's vocabulary"
    print(f"{words}: {num}")
    assert num["ended"] + num["cut"] >= NUM_SCHEMAS, num
    assert num["ended"] >= NUM_SCHEMAS // 2, num


if __name__ == "__main__":
    main()
