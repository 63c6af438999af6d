#!/usr/bin/env python3
"""Throughput of answers under a constraint beside free ones, in one run, as a table.

    bench/constrained.py [MODEL_DIR] [--concurrency N] [--tokens N] [--rounds N] [--ways A,B]
                         [flags]

Starts `build/src/troupe serve` itself (flags as --flag=value go to it). Every round asks for the
same number of tokens in each way, one way after the other and each round in another order, so that
what else the machine does meets all of them. A ratio is the median of those of the rounds, with
its quartiles. Every answer has exactly --tokens tokens.
"""
import argparse
import concurrent.futures
import platform
import statistics
import subprocess
import sys
import time

from serving import DEMO, ROOT, Server

WORDS = "The quick reader asks the small model for one more story about rivers and rain. "
LETTERS = {"type": "string", "minLength": 60000, "maxLength": 65000}
PEOPLE = {"type": "array", "minItems": 1000, "items": {
    "type": "object", "additionalProperties": False,
    "properties": {"name": {"type": "string", "minLength": 20, "maxLength": 80},
                   "age": {"type": "integer", "minimum": 0, "maximum": 150},
                   "mood": {"enum": ["calm", "cheerful", "curious"]}},
    "required": ["name", "age", "mood"]}}
DIGITS = {"type": "array", "minItems": 1000,
          "items": {"type": "string", "pattern": "^[a-z]{30,60}$"}}


def body(schema, i, num_tokens):
    out = {"model": "bench", "seed": i, "max_tokens": num_tokens, "ignore_eos": True,
           "messages": [{"role": "user", "content": f"{i} {WORDS * 4}"}]}
    if schema:
        out["response_format"] = {"type": "json_schema",
                                  "json_schema": {"name": "bench", "schema": schema}}
    return out


def load(server, schemas, arguments):
    """Tokens per second of one answer to each of `schemas`, at once; None is a free one."""
    bodies = [body(schema, i, arguments.tokens) for i, schema in enumerate(schemas)]

    def ask(one):
        status, answer = server.post(one, path="/v1/chat/completions")
        assert status == 200, (status, answer)
        assert answer["usage"]["completion_tokens"] == arguments.tokens, answer
    start = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(len(bodies)) as pool:
        list(pool.map(ask, bodies))
    return len(bodies) * arguments.tokens / (time.perf_counter() - start)


def ways(number):
    half = number // 2
    return {"free": [None] * number,
            "strings": [LETTERS] * number,
            "objects": [PEOPLE] * number,
            "patterns": [DIGITS] * number,
            "half": [None] * half + [LETTERS] * (number - half)}


def run(server, arguments):
    all_ways = ways(arguments.concurrency)
    if arguments.ways:
        all_ways = {name: all_ways[name] for name in ["free", *arguments.ways.split(",")]}
    names = list(all_ways)
    speeds = {name: [] for name in names}
    for index in range(arguments.rounds + 1):
        first = index % len(names)
        for name in names[first:] + names[:first]:
            speed = load(server, all_ways[name], arguments)
            print(f"round {index}, {name}: {speed:.0f} tokens/s", file=sys.stderr, flush=True)
            if index > 0:  # the first round fills caches
                speeds[name].append(speed)
    return speeds


def print_table(speeds, server):
    print("| answers | tokens/s | of free, median | quartiles |\n|---|---|---|---|")
    for name, each in speeds.items():
        ratios = [100 * mine / free for mine, free in zip(each, speeds["free"])]
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(f"| {name} | {statistics.median(each):.0f} | {middle:.1f} % "
              f"| {low:.0f} to {high:.0f} % |")
    count = server.metric("troupe_grammar_mask_seconds_count")
    total = server.metric("troupe_grammar_mask_seconds_sum")
    print(f"\n{count:.0f} masks of {1e6 * total / max(1, count):.1f} us on average, "
          f"{server.metric('troupe_grammar_late_masks_total'):.0f} late, "
          f"{server.metric('troupe_grammar_forced_tokens_total'):.0f} forced tokens")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default=DEMO)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--ways", help="of strings, objects, patterns, half; default: all")
    arguments, flags = parser.parse_known_args()
    cpu = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo")
               if line.startswith("model name"))
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"],
                            capture_output=True, text=True).stdout.strip()
    flags = ["--served-model-name=bench", *flags]
    with Server(*flags, model=arguments.model) as server:
        print_table(run(server, arguments), server)
    print(f"\n{cpu}, {platform.machine()}, commit {commit}, "
          f"{' '.join(['bench/constrained.py', *sys.argv[1:]])}")


if __name__ == "__main__":
    main()
