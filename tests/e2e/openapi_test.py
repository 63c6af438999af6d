"""openapi.json holds for the server: its examples are answered as it says, every field that it
names is known, no other is, and what it calls wrong is refused."""
import json
import sys

try:
    import jsonschema
except ImportError:
    print("skipped: there is no python3-jsonschema")
    sys.exit(77)

from troupe_server import Server

WRONG_TYPES = [[{}], {"x": 1}, "text", 1.5, True]


class Document:
    def __init__(self, text):
        self.root = json.loads(text)

    def resolve(self, schema):
        while "$ref" in schema:
            at = self.root
            for key in schema["$ref"].removeprefix("#/").split("/"):
                at = at[key]
            schema = at
        return schema

    def validator(self, schema):
        return jsonschema.Draft202012Validator({**schema, "components": self.root["components"]})

    def posts(self):
        for path, item in self.root["paths"].items():
            if "requestBody" in item.get("post", {}):
                yield path, item["post"]


def bodies_of(document, operation):
    """The schema of each body that the operation takes, with a body that is fine."""
    content = operation["requestBody"]["content"]["application/json"]
    schema = content["schema"]
    if "anyOf" not in schema:
        return [(document.resolve(schema), content["example"])]
    fine = [content["example"], {"text": "Hi", "sampling_params": {"max_new_tokens": 2}},
            {"inputs": "Hi", "parameters": {"max_new_tokens": 2}}]
    return list(zip(map(document.resolve, schema["anyOf"]), fine))


def check_answer(document, server, path, operation, body):
    status, answer = server.post(body, path=path)
    success = next(code for code in operation["responses"] if code.startswith("2"))
    assert str(status) == success, (path, body, status, answer)
    content = operation["responses"][success]["content"]["application/json"]
    if path == "/generate_stream":  # its answer is a stream
        return
    errors = list(document.validator(content["schema"]).iter_errors(answer))
    assert not errors, (path, body, answer, errors[0].message)


def refusal(server, path, body):
    status, answer = server.post(body, path=path)
    assert status in (400, 404, 422), (path, body, status, answer)
    assert isinstance(answer, dict), (path, body, answer)
    return json.dumps(answer)


def check_fields(document, server, path, schema, fine):
    """A value that the schema calls wrong is refused for its value, not as an unknown field."""
    num = 0
    for name, field in schema["properties"].items():
        valid = document.validator(field)
        for value in WRONG_TYPES:
            if valid.is_valid(value):
                continue
            said = refusal(server, path, {**fine, name: value})
            assert f'there is no field \\"{name}\\"' not in said, (path, name, said)
            assert name in said or "different APIs" in said, (path, name, said)
            num += 1
            break
    said = refusal(server, path, {**fine, "no_such_field": 1})
    assert "no_such_field" in said, (path, said)
    for name in schema.get("required", []):
        refusal(server, path, {k: v for k, v in fine.items() if k != name})
    return num


def main():
    with Server("--enable-load-tests") as server:
        document = Document(server.get("/openapi.json")[1])
        jsonschema.Draft202012Validator.check_schema(document.root["components"]["schemas"])
        num_fields = 0
        for path, operation in document.posts():
            for schema, fine in bodies_of(document, operation):
                jsonschema.Draft202012Validator.check_schema(schema)
                assert document.validator(schema).is_valid(fine), (path, fine)
                check_answer(document, server, path, operation, fine)
                num_fields += check_fields(document, server, path, schema, fine)
        for path, item in document.root["paths"].items():
            if "get" in item and "{" not in path:
                status, _ = server.get(path)
                assert str(status) in item["get"]["responses"], (path, status)
    print(f"{len(document.root['paths'])} paths, {num_fields} fields refused by their values")


if __name__ == "__main__":
    main()
