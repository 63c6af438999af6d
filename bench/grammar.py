#!/usr/bin/env python3
"""Schemas compiled and masks made by Troupe and by xgrammar, the same ones in one run.

  bench/grammar.py --bench build/bench/text/grammar_bench --tokenizer DIR --schemas FILE.jsonl \\
      --xgrammar 'python3' --every 8 --limit 20 > table.md

--xgrammar is the command of a Python that can import xgrammar (Debian: python3-xgrammar); without
it only Troupe is measured. Times are processor time of one thread. Each line of FILE.jsonl holds a
`schema` and `tests` with `data` and `valid`."""
import argparse, json, pathlib, shlex, subprocess, tempfile

PARTS = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)]


def figures(values):
    values = sorted(values)
    return {name: values[int(part * (len(values) - 1))] for name, part in PARTS} if values else {}


def own_figures(arguments, rows):
    command = [arguments.bench, arguments.tokenizer, rows, str(arguments.width), "json"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    found["timeouts"] = 0
    return found


def rival_figures(arguments, rows):
    command = [arguments.bench, arguments.tokenizer, rows, str(arguments.width), "tokens"]
    tokens = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    script = pathlib.Path(__file__).with_name("grammar_rival.py").read_text()
    command = shlex.split(arguments.xgrammar) + ["-c", script, str(arguments.width),
                                                 str(arguments.limit)]
    done = subprocess.run(command, input=tokens, check=True, stdout=subprocess.PIPE, text=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    compiled = [row for row in rows if "compile" in row]
    return {"compiled": len(compiled),
            "refused": sum("refused" in row for row in rows),
            "timeouts": sum("timeout" in row for row in rows),
            "valid_rejected": sum(row["valid_rejected"] for row in compiled),
            "invalid_accepted": sum(row["invalid_accepted"] for row in compiled),
            "max_grammar_bytes": max(row["bytes"] for row in compiled),
            "compile_us": figures(row["compile"] for row in compiled),
            "first_mask_us": figures(row["first_mask"] for row in compiled),
            "mask_us": figures(mask for row in compiled for mask in row["mask"])}


def table(engines):
    print("| | " + " | ".join(name for name, _ in engines) + " |")
    print("|---|" + "--:|" * len(engines))
    for key in ["compiled", "refused", "timeouts", "valid_rejected", "invalid_accepted",
                "max_grammar_bytes"]:
        print(f"| {key.replace('_', ' ')} | " +
              " | ".join(f"{found[key]:,}" for _, found in engines) + " |")
    for key in ["mask_us", "compile_us", "first_mask_us"]:
        for part, _ in PARTS:
            print(f"| {key.replace('_us', '').replace('_', ' ')} {part}, us | " +
                  " | ".join(f"{found[key].get(part, 0):,.1f}" for _, found in engines) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", required=True, help="the program grammar_bench")
    parser.add_argument("--tokenizer", required=True, help="a folder with tokenizer.json")
    parser.add_argument("--schemas", required=True)
    parser.add_argument("--xgrammar", help="a command that runs Python with xgrammar")
    parser.add_argument("--every", type=int, default=1, help="take only every n-th schema")
    parser.add_argument("--limit", type=float, default=20, help="processor seconds for a schema")
    parser.add_argument("--width", type=int, default=152064, help="of the logits")
    arguments = parser.parse_args()
    lines = pathlib.Path(arguments.schemas).read_text().splitlines()[::arguments.every]
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as rows:
        rows.write("\n".join(lines) + "\n")
        rows.flush()
        engines = [("Troupe", own_figures(arguments, rows.name))]
        if arguments.xgrammar:
            engines.append(("xgrammar", rival_figures(arguments, rows.name)))
    table(engines)


if __name__ == "__main__":
    main()
