"""`troupe grammar` over recorded verdicts: no text that a schema forbids is ever accepted, what the
behaviour table says holds, and every refusal names its place."""
import json
import os
import pathlib
import subprocess
import sys

from schema_order import SchemaOrder

DATA = pathlib.Path(os.environ.get("TROUPE_SHARED_DATA") or "/nonexistent") / "jsonschema"
MODEL = pathlib.Path(__file__).resolve().parents[2] / "models" / "demo"


def ask(questions):
    lines = "\n".join(json.dumps(q, ensure_ascii=False) for q in questions)
    done = subprocess.run([os.environ["TROUPE_BINARY"], "grammar", str(MODEL)], check=True,
                          input=lines.encode(), capture_output=True, timeout=250)
    answers = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert len(answers) == len(questions), (len(answers), len(questions))
    for answer in answers:
        check_form(answer)
    return answers


def check_form(answer):
    assert isinstance(answer["compile_us"], float | int), answer
    for note in answer["warnings"] + ([answer["error"]] if answer["error"] else []):
        assert set(note) == {"pointer", "keyword", "reason"} and note["reason"], note
    assert answer["compiled"] == (answer["error"] is None) == ("accept" in answer), answer
    if answer["compiled"]:
        assert set(answer["mask_us"]) == {"p50", "p99", "max"}, answer


def rows(name, every=1):
    with open(DATA / name, encoding="utf-8") as file:
        return [json.loads(line) for line in file][::every]


def check_lines():
    answers = ask([{"schema": {"type": "integer"}, "texts": ["1", "a"]}, {"schema": 1, "texts": []},
                   {"regex": "[ab]+", "texts": ["abba", "c"]}, {"texts": []}])
    assert answers[0]["accept"] == [True, False]
    assert answers[1]["error"]["pointer"] == ""
    assert answers[2]["accept"] == [True, False]
    assert answers[3]["error"]["keyword"] == "schema"
    ambiguous = 'root ::= root root root | root root | "a" | ""'
    much, little = ask([{"grammar": ambiguous, "texts": ["a" * 400]},
                        {"grammar": ambiguous, "texts": ["", "aa"]}])
    assert much["accept"] == [False] and "more ways" in much["warnings"][0]["reason"], much
    assert little["accept"] == [True, True] and not little["warnings"], little


def check_policy():
    cases = rows("policy_public.jsonl")
    lists = [("accept", True), ("reject", False), ("reject_generator", False)]
    answers = ask([{"schema": case["schema"],
                    "texts": [text for key, _ in lists for text in case.get(key, [])]}
                   for case in cases])
    for case, answer in zip(cases, answers):
        if not answer["compiled"]:
            expected = case.get("pointer", case.get("or_error"))
            assert answer["error"]["pointer"] == expected, (case["id"], answer["error"])
            continue
        assert case["expect"] == "compile" or case.get("may_support"), case["id"]
        wanted = [verdict for key, verdict in lists for _ in case.get(key, [])]
        assert answer["accept"] == wanted, (case["id"], answer["accept"], wanted)


def check_verdicts(name, every, text_of, verdict_of, options, least_compiled):
    cases = rows(name, every)
    answers = ask([{"schema": case["schema"], "texts": [text_of(t) for t in case["tests"]],
                    **options} for case in cases])
    compiled = 0
    for case, answer in zip(cases, answers):
        if not answer["compiled"]:
            continue
        compiled += 1
        for test, accepted in zip(case["tests"], answer["accept"]):
            assert verdict_of(test) or not accepted, (case["schema"], text_of(test))
    print(name, len(cases), "schemas,", compiled, "compiled")
    assert compiled >= least_compiled * len(cases), compiled


def check_order():
    """Of the schemas that compile, every valid instance is accepted once its members stand in the
    schema's order: nothing else is refused in it."""
    cases = rows("maskbench_public.jsonl")
    valid = [[t["data"] for t in case["tests"] if t["valid"]] for case in cases]
    num_moved = 0

    def accepted(texts_of):
        return ask([{"schema": case["schema"],
                     "texts": [json.dumps(text, ensure_ascii=False) for text in texts]}
                    for case, texts in zip(cases, texts_of)])
    moved = [[] for _ in cases]
    for i, answer in enumerate(accepted(valid)):
        order = SchemaOrder(cases[i]["schema"])
        for data, is_accepted in zip(valid[i], answer.get("accept", [])):
            if not is_accepted:
                moved[i].append(order.order(data))
                assert moved[i][-1] == data, cases[i]["file"]
                num_moved += 1
    for case, answer in zip(cases, accepted(moved)):
        assert all(answer.get("accept", [])), case["file"]
    print(sum(map(len, valid)), "valid instances,", num_moved, "of them in another order")


def main():
    check_lines()
    if not DATA.exists():
        print("skipped the recorded verdicts: there is no jsonschema below TROUPE_SHARED_DATA")
        return
    check_policy()
    check_verdicts("engine_tests_public.jsonl", 3, lambda t: t["text"], lambda t: t["accept"],
                   {"whitespace": "any"}, 0.98)
    check_verdicts("maskbench_public.jsonl", 5,
                   lambda t: json.dumps(t["data"], ensure_ascii=False), lambda t: t["valid"], {},
                   0.88)
    check_order()


if __name__ == "__main__":
    sys.exit(main())
