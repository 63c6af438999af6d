#!/usr/bin/env python3
"""`troupe plan --device cpu` beside a real server on the same machine.

    bench/plan/validate.py [MODEL_DIR] [--concurrency 1,4,16] [--input-tokens 128]
                           [--output-tokens 64] [--rounds 1] [server flags as --flag=value]

Plans first, which measures a few steps; then starts the real server, loads it closed-loop over
server-sent events with as many clients (build/bench/frontend/frontend_load, which must be built)
and prints both with their ratios. Without speculation on both sides: what is drawn repeats nothing.
A machine that does other work meanwhile changes its speed between the two: --rounds does all of it
several times in turns, and the medians of both are compared.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from troupe_server import BINARY, DEMO, Server  # noqa: E402

LOAD = ROOT / "build" / "bench" / "frontend" / "frontend_load"
GOAL = 0.15


def plan(arguments, flags):
    command = [BINARY, "plan", str(arguments.model), "--device", "cpu", "--json", "-",
               "--concurrency", arguments.concurrency, "--seconds", "60",
               "--input-tokens", str(arguments.input_tokens),
               "--output-tokens", str(arguments.output_tokens), *flags]
    report = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return {row["concurrency"]: (row["output_tokens_per_second"], row["ttft_mean_ms"])
            for row in report["layouts"][0]["rows"]}


def load(server, concurrency, num_requests, arguments):
    command = [LOAD, "--port", server.port, "--pid", server.process.pid, "--protocol", "sse",
               "--concurrency", concurrency, "--requests", num_requests,
               "--prompt-tokens", arguments.input_tokens, "--tokens", arguments.output_tokens]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          check=True)
    return json.loads(done.stdout)


def serve(arguments, flags):
    out = {}
    with Server("--num-speculative-tokens", 0, *flags, model=arguments.model) as server:
        load(server, 2, 4, arguments)  # the first requests touch memory
        for concurrency in map(int, arguments.concurrency.split(",")):
            # The first round, in which all begin at once, must not count for much.
            rounds = max(8, arguments.min_requests // concurrency)
            result = load(server, concurrency, rounds * concurrency, arguments)
            out[concurrency] = (result["tokens"] / result["seconds"],
                                result["first_event_seconds"] * 1e3)
    return out


def median_of(rounds, concurrency, which):
    return statistics.median(one[concurrency][which] for one in rounds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default=DEMO)
    parser.add_argument("--concurrency", default="1,4,16")
    parser.add_argument("--input-tokens", type=int, default=128)
    parser.add_argument("--output-tokens", type=int, default=64)
    parser.add_argument("--min-requests", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=1)
    arguments, flags = parser.parse_known_args()
    flags.append("--no-enable-prefix-caching")  # the load sends the same prompts in every round
    planned, served = [], []
    for _ in range(arguments.rounds):
        planned.append(plan(arguments, flags))
        served.append(serve(arguments, flags))
    print("| concurrent | tokens/s planned | served | ratio "
          "| mean TTFT ms planned | served | ratio |")
    print("|---|---|---|---|---|---|---|")
    num_outside = 0
    for concurrency in map(int, arguments.concurrency.split(",")):
        cells = []
        for which in (0, 1):
            ours, real = (median_of(one, concurrency, which) for one in (planned, served))
            is_outside = abs(ours / real - 1) > GOAL
            num_outside += is_outside
            mark = "**" if is_outside else ""
            cells += [f"{ours:.1f}", f"{real:.1f}", f"{mark}{ours / real:.2f}{mark}"]
        print(f"| {concurrency} | " + " | ".join(cells) + " |", flush=True)
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"],
                            capture_output=True, text=True, check=False).stdout.strip()
    facts = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    cpu = next((line for line in facts if line.startswith("model name")), "?")
    load_average = pathlib.Path("/proc/loadavg").read_text(encoding="utf-8").split()[0]
    words = [pathlib.Path(word).name if "/" in word else word for word in sys.argv[1:]]
    print(f"\n{num_outside} of {2 * len(planned[0])} outside {GOAL:.0%} (bold). "
          f"{cpu.split(':')[-1].strip()}, load average "
          f"{load_average} at the end, commit {commit}, "
          f"bench/plan/validate.py {' '.join(words)}")


if __name__ == "__main__":
    main()
