#!/usr/bin/env python3
"""What guessing ahead (--num-speculative-tokens) brings and costs, against the same server without.

    bench/speculation.py [MODEL_DIR] [--concurrency 1,4,16] [--rounds 5] [--tokens 96] [flags]

Two servers, one with the defaults and one with --num-speculative-tokens 0, are measured in turns;
whoever is not measured is stopped (SIGSTOP). Every answer ignores the end token. By case:

    fresh      random prompts, temperature 1: nothing repeats
    chat       short prompts of the demo model's kind, temperature 0.7
    loop       prompts that repeat a sentence, temperature 0
    half       a bias leaves two tokens, drawn by chance: about every second guess is wrong
    certain    a bias leaves one token: every guess is right

Prints the medians of the rounds, the median and the span of the rounds' ratios, and the share of
the guesses that were right.
"""
import argparse
import os
import pathlib
import random
import signal
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from troupe_server import DEMO, Server  # noqa: E402

SENTENCE = "The reader asks the small model for one more story about rivers and rain. "
CHATS = ["Write a short poem about the sea.", "What is continuous batching?",
         "Tell me about a town by a river.", "Name five animals and what they eat."]
CASES = ("fresh", "chat", "loop", "half", "certain")
COUNTERS = ("num_draft_tokens", "num_accepted_tokens")


def make_body(case, i, num_tokens):
    chance = random.Random(i)
    body = {"prompt": [chance.randrange(300, 1500) for _ in range(96)], "max_tokens": num_tokens,
            "ignore_eos": True, "seed": i, "temperature": 1}
    if case == "chat":
        body.update(prompt=CHATS[i % len(CHATS)], temperature=0.7)
    elif case == "loop":
        body.update(prompt=f"{i}. " + SENTENCE * 5, temperature=0)
    elif case == "half":
        body["logit_bias"] = {"400": 100, "401": 100}
    elif case == "certain":
        body["logit_bias"] = {"400": 100}
    return body


def measure(server, case, concurrency, arguments):
    """Tokens per second."""
    num_requests = max(4, 2 * concurrency)
    bodies = [make_body(case, i, arguments.tokens) for i in range(num_requests)]
    os.kill(server.process.pid, signal.SIGCONT)
    try:
        start = time.perf_counter()
        for status, answer in server.post_all(bodies, concurrency):
            assert status == 200, answer
        return num_requests * arguments.tokens / (time.perf_counter() - start)
    finally:
        os.kill(server.process.pid, signal.SIGSTOP)


def read_counters(server):
    os.kill(server.process.pid, signal.SIGCONT)
    return [server.metric(f"vllm:spec_decode_{name}_total") for name in COUNTERS]


def compare(plain, drafting, case, concurrency, arguments):
    before = read_counters(drafting)
    rounds = []
    for number in range(arguments.rounds):
        # Who comes first changes, so that neither always has the quieter machine.
        order = (plain, drafting) if number % 2 == 0 else (drafting, plain)
        speed = {server: measure(server, case, concurrency, arguments) for server in order}
        rounds.append((speed[plain], speed[drafting]))
    num_drafts, num_right = (b - a for a, b in zip(before, read_counters(drafting)))
    ratios = sorted(b / a for a, b in rounds)
    right = f"{100 * num_right / num_drafts:.0f} %" if num_drafts else "-"
    share = num_drafts / (arguments.rounds * max(4, 2 * concurrency) * arguments.tokens)
    print(f"| {case} | {concurrency} | {statistics.median(a for a, _ in rounds):.1f} "
          f"| {statistics.median(b for _, b in rounds):.1f} "
          f"| **{statistics.median(ratios):.2f}** | {ratios[0]:.2f} to {ratios[-1]:.2f} "
          f"| {share:.2f} | {right} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default=DEMO)
    parser.add_argument("--concurrency", default="1,4,16")
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=96)
    arguments, flags = parser.parse_known_args()
    flags += ["--max-model-len", 2048]
    cpu = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8")
               if line.startswith("model name"))
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"],
                            capture_output=True, text=True, check=False).stdout.strip()
    with Server(*flags, "--num-speculative-tokens", 0, model=arguments.model) as plain, \
            Server(*flags, model=arguments.model) as drafting:
        try:
            print("| case | concurrent | tok/s plain | tok/s guessing | ratio | rounds' ratios "
                  "| guesses a token | right |\n|---|---|---|---|---|---|---|---|")
            for case in arguments.cases.split(","):
                for concurrency in map(int, arguments.concurrency.split(",")):
                    compare(plain, drafting, case, concurrency, arguments)
        finally:
            for server in (plain, drafting):
                os.kill(server.process.pid, signal.SIGCONT)
    print(f"\n{cpu}, {len(os.sched_getaffinity(0))} cores; commit {commit}; load average at the "
          f"end {os.getloadavg()[0]:.1f}; bench/speculation.py {' '.join(sys.argv[1:])}")


if __name__ == "__main__":
    main()
