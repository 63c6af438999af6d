#!/usr/bin/env python3
"""What `troupe bench` itself can do: its greatest rate, how punctual it is, and whether it finds
what Locust finds where Locust is right. Prints Markdown.

    limits.py [--pairs N] [--seconds N]

Needs build/src/troupe, build/bench/load/load_quick_server, taskset and Locust. Runs with a negative
nice value where that is allowed, so that what else runs on the machine disturbs less.
"""
import argparse
import concurrent.futures
import csv
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from troupe_server import BINARY, Server  # noqa: E402

USERS = 25  # of each tool, at the same time
# Slowly: Locust lets as many begin in the same moment, which no other tool does.
SPAWN = 5


def bench(url, *flags, core=None):
    """The report, and the CPU seconds that it took."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        command = [BINARY, "bench", url, "--quiet", "--json", file.name, *map(str, flags)]
        if core is not None:
            command = ["taskset", "-c", str(core), *command]
        before = os.times()
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        after = os.times()
        assert done.returncode == 0, f"{command}:\n{done.stdout}"
        cpu = (after.children_user - before.children_user
               + after.children_system - before.children_system)
        return json.load(open(file.name)), cpu


def measure_generator(seconds):
    server = subprocess.Popen(["taskset", "-c", "1", ROOT / "build/bench/load/load_quick_server"],
                              stdout=subprocess.PIPE, text=True)
    try:
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        print("| load | sent/s | lag p50 ms | lag p99 ms | e2e p50 ms | e2e p99 ms "
              "| CPU us/request |\n|---|---|---|---|---|---|---|")
        for flags in (["--users", 64], ["--users", 256],
                      ["--rate", 1000, "--arrival", "constant"], ["--rate", 1000],
                      ["--rate", 20000], ["--rate", 20000, "--arrival", "constant"]):
            report, cpu = bench(url, *flags, "--duration", f"{seconds}s", "--api", "generate",
                                "--no-stream", "--prompt-words", 16, "--max-send-lag", "1s", core=0)
            times = report["overall"]["latencies"]
            totals = report["overall"]["totals"]
            assert totals["succeeded"] == totals["sent"], totals
            print(f"| {' '.join(map(str, flags))} | {totals['sent'] / report['duration']:.1f} "
                  f"| {times['lag']['p50_ms']:.3f} | {times['lag']['p99_ms']:.3f} "
                  f"| {times['e2e']['p50_ms']:.2f} | {times['e2e']['p99_ms']:.2f} "
                  f"| {cpu * 1e6 / totals['sent']:.1f} |", flush=True)
    finally:
        server.terminate()
        server.wait()


def locust(url, seconds):
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["/usr/bin/python3", "-m", "locust", "-f", HERE / "fixed_users.py", "--headless", "-u",
             str(USERS), "-r", str(SPAWN), "-t", f"{seconds}s", "-H", url, "--only-summary",
             "--csv", f"{folder}/l"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, done.stdout
        with open(f"{folder}/l_stats.csv", newline="") as file:
            row = list(csv.DictReader(file))[-1]
        assert int(row["Failure Count"]) == 0, row
        return {"mean": float(row["Average Response Time"]), "p50": float(row["50%"]),
                "p95": float(row["95%"]), "requests": int(row["Request Count"])}


def troupe(url, seconds):
    body = {"prompt": "Once upon a time there was a river", "max_tokens": 400}
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as prompts:
        prompts.write(json.dumps(body))
        prompts.flush()
        report, _ = bench(url, "--users", USERS, "--spawn", SPAWN, "--think", "1..3s",
                          "--duration", f"{seconds}s", "--api", "generate", "--no-stream",
                          "--prompts", prompts.name, "--temperature", 0, "--ignore-eos",
                          "--max-send-lag", "1s")
    e2e = report["overall"]["latencies"]["e2e"]
    return {"mean": e2e["mean_ms"], "p50": e2e["p50_ms"], "p95": e2e["p95_ms"],
            "requests": report["completed"]}


def compare_with_locust(pairs, seconds):
    """Both at the same time, on the same server: what disturbs the one disturbs the other."""
    found = {"Locust": [], "troupe bench": []}
    with Server() as server, concurrent.futures.ThreadPoolExecutor() as pool:
        url = f"http://127.0.0.1:{server.port}"
        for _ in range(pairs):
            runs = {name: pool.submit(tool, url, seconds)
                    for name, tool in (("Locust", locust), ("troupe bench", troupe))}
            for name, run in runs.items():
                found[name].append(run.result())
    print("\n| tool | mean ms | p50 ms | p95 ms | requests |\n|---|---|---|---|---|")
    for name, runs in found.items():
        cells = [" ".join(f"{run[what]:.0f}" for run in runs)
                 for what in ("mean", "p50", "p95", "requests")]
        print(f"| {name} | {' | '.join(cells)} |")
    told = []
    for what in ("mean", "p50", "p95"):
        mine, theirs = (statistics.median(run[what] for run in found[name])
                        for name in ("troupe bench", "Locust"))
        told.append(f"{what} {mine:.1f} / {theirs:.1f} ms ({100 * mine / theirs - 100:+.1f} %)")
    print("\nMedians of the runs, `troupe bench` / Locust: " + ", ".join(told))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=60)
    asked = parser.parse_args()
    try:
        os.nice(-15)
    except PermissionError:
        pass
    measure_generator(5)
    compare_with_locust(asked.pairs, asked.seconds)


if __name__ == "__main__":
    main()
