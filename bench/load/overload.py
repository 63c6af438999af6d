#!/usr/bin/env python3
"""Ten times what a server can answer, for a minute. Prints Markdown.

    overload.py [--seconds 60] [--factor 10] [--model DIR] [--tokens 32] [server flags]

Finds the peak with a closed loop that keeps every place of the batch taken, then asks `--factor`
times as often in an open loop on the same server, and says what became of the throughput, of the
first tokens of those who were accepted, and how soon the others were refused.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from troupe_server import BINARY, DEMO, Server  # noqa: E402

SEATS = 16
QUEUE_TIMEOUT_S = 10


def bench(url, folder, *flags):
    command = [BINARY, "bench", url, "--quiet", "--api", "generate", "--ignore-eos",
               "--prompt-words", "32", "--max-send-lag", "1s", "--json", f"{folder}/r.json", *flags]
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, f"{command}:\n{done.stdout}"
    return json.loads(pathlib.Path(folder, "r.json").read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--factor", type=float, default=10)
    parser.add_argument("--model", default=DEMO)
    parser.add_argument("--tokens", type=int, default=32)
    asked, flags = parser.parse_known_args()
    # Room in the queue for as many as are answered in a fraction of its patience.
    limits = ["--max-num-seqs", SEATS, "--max-num-queued-reqs", 2 * SEATS,
              "--queue-timeout", f"{QUEUE_TIMEOUT_S}s"]
    with Server(*limits, *flags, model=asked.model) as server, \
            tempfile.TemporaryDirectory() as folder:
        url = f"http://127.0.0.1:{server.port}"
        size = ("--max-tokens", asked.tokens)
        peak = bench(url, folder, "--users", SEATS + 4, "--duration", f"{asked.seconds}s",
                     "--warm-up", "3s", *size)
        rate = asked.factor * peak["request_throughput"]
        crowd = bench(url, folder, "--rate", rate, "--duration", f"{asked.seconds}s", *size)
    print("| | closed loop | open loop |\n|---|---|---|")
    print(f"| requests/s | {peak['request_throughput']:.1f} answered "
          f"| {rate:.0f} asked, {crowd['request_throughput']:.1f} answered |")
    share = crowd["output_throughput"] / peak["output_throughput"]
    print(f"| tokens/s | {peak['output_throughput']:.0f} | {crowd['output_throughput']:.0f} "
          f"({100 * share:.1f} %) |")
    for what, unit in (("ttft", "first token"), ("e2e", "whole answer")):
        cells = [run["overall"]["latencies"][what] for run in (peak, crowd)]
        print(f"| {unit} p50 / p99 ms | " + " | ".join(
            f"{cell['p50_ms']:.0f} / {cell['p99_ms']:.0f}" for cell in cells) + " |")
    refused = crowd["overall"]["latencies"]["rejected_e2e"]
    print("| refused after p50 / p99 / at most, ms | - | "
          + " / ".join(f"{refused[what]:.1f}" for what in ("p50_ms", "p99_ms", "max_ms")) + " |")
    print(f"\nIn the open loop {crowd['completed']} were answered, {crowd['rejected']} refused, "
          f"{crowd['failed']} failed; --queue-timeout is {QUEUE_TIMEOUT_S} s.")


if __name__ == "__main__":
    main()
