#!/usr/bin/env python3
"""What the server itself costs: CPU for each token, where the device costs nothing.

    bench/frontend/frontend.py [--rounds 3] [--against OTHER_TROUPE] [--concurrency 64,256,1024]

32 tokens in, 512 out, streaming. Two kinds of load: `joined` has --device null, where tokens that
are there at once share a chunk; `single` has --device sim (a 7B on an H200), where the steps are
far enough apart that nearly every token is an event of its own. Over server-sent events, and over
/ws with 1 and with 64 generations on a connection. Only the server's CPU counts; the load
generator's own stands beside it. With --against a second binary (an earlier build) is measured in
turns with the first, and the ratio printed. `floor` is what the kernel alone takes to send a token
to each of 256 readers on this machine, measured in the same run.

Afterwards: what the idle server takes, when its memory is filled and after a load. With --locks
instead: how often a thread of the server locks a mutex for each token, and how often it has to wait
for one. Needs `ninja -C build src/troupe` and `bench/frontend/` with frontend_load, frontend_floor
and libfrontend_locks.so.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "tests" / "e2e"), str(ROOT / "bench")]
import troupe_server  # noqa: E402
from shape_7b import make_shape  # noqa: E402
from troupe_server import DEMO, Server  # noqa: E402

TOOLS = ROOT / "build" / "bench" / "frontend"
COMMON = ["--max-num-seqs", 1024, "--max-num-batched-tokens", 2048, "--max-num-queued-reqs", 4096,
          "--no-enable-prefix-caching"]
FLAGS = {"joined": ["--device", "null"],
         "single": ["--device", "sim", "--sim-gpu", "h200", "--gpu-memory-utilization", 0.9]}
PROTOCOLS = {"SSE": ["--protocol", "sse"], "/ws": ["--protocol", "ws"],
             "/ws, 64 on each": ["--protocol", "ws", "--per-connection", "64"]}


def load(server, protocol, concurrency, num_requests, tokens=512):
    result = subprocess.run(
        [TOOLS / "frontend_load", "--port", str(server.port), "--pid", str(server.process.pid),
         "--concurrency", str(concurrency), "--requests", str(num_requests), "--tokens",
         str(tokens), *PROTOCOLS[protocol]], capture_output=True, text=True, check=True)
    return json.loads(result.stdout)


def measure(binary, kind, model, protocol, concurrency):
    """One run on a server of its own."""
    troupe_server.BINARY = binary
    num_requests = max(2048, 2 * concurrency) if kind == "joined" else max(256, concurrency)
    with Server(*FLAGS[kind], *COMMON, model=model) as server:
        load(server, "SSE", 8, 16)  # the first requests grow its buffers
        return load(server, protocol, concurrency, num_requests)


def floor_us():
    result = subprocess.run([TOOLS / "frontend_floor"], capture_output=True, text=True, check=True)
    return float(result.stdout.split()[0])


def us_per_token(run):
    return run["server_cpu"] / run["tokens"] * 1e6


def print_row(kind, protocol, concurrency, runs, others):
    def median(of):
        return statistics.median(of(run) for run in runs)
    cells = [kind, protocol, concurrency, f"{median(us_per_token):.2f}",
             f"{median(lambda r: r['events'] / r['tokens']):.2f}",
             f"{median(lambda r: r['tokens'] / r['server_cpu']):.0f}",
             f"{median(lambda r: r['answers'] / r['server_cpu']):.0f}",
             f"{median(lambda r: r['tokens'] / r['seconds']):.0f}",
             f"{median(lambda r: r['server_cpu'] / r['seconds']):.2f}",
             f"{median(lambda r: r['own_cpu'] / r['seconds']):.2f}",
             sum(run["failed"] for run in runs)]
    if others:
        ratios = [us_per_token(a) / us_per_token(b) for a, b in zip(runs, others)]
        cells.append(f"{statistics.median(ratios):.2f}")
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def print_table(arguments, folder):
    head = ["kind", "protocol", "streams", "server us a token", "events a token",
            "tok/s a core", "req/s a core", "tok/s", "server cores", "load's cores", "failed"]
    head += ["us, ratio to the other"] if arguments.against else []
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    models = {"joined": DEMO, "single": make_shape(folder)}
    floors = []
    for kind, model in models.items():
        for protocol in PROTOCOLS:
            for concurrency in arguments.concurrency:
                runs, others = [], []
                for _ in range(arguments.rounds):
                    case = (kind, model, protocol, concurrency)
                    runs.append(measure(arguments.binary, *case))
                    if arguments.against:
                        others.append(measure(arguments.against, *case))
                    floors.append(floor_us())
                print_row(kind, protocol, concurrency, runs, others)
    print(f"\nfloor: {statistics.median(floors):.2f} us a send "
          f"({min(floors):.2f} to {max(floors):.2f})")


def lock_counts(path):
    return struct.unpack("3Q", path.read_bytes())


def measure_locks(binary, kind, model, protocol, concurrency, folder):
    troupe_server.BINARY = binary
    path = pathlib.Path(folder) / "locks"
    path.write_bytes(bytes(24))
    troupe_server.PLAIN_ENVIRONMENT |= {"LD_PRELOAD": str(TOOLS / "libfrontend_locks.so"),
                                        "LOCK_COUNTS": str(path)}
    with Server(*FLAGS[kind], *COMMON, model=model) as server:
        load(server, "SSE", 8, 16)
        before = lock_counts(path)
        run = load(server, protocol, concurrency, max(256, concurrency))
        after = lock_counts(path)
    return [(b - a) / run["tokens"] for a, b in zip(before, after)]


def print_locks(arguments, folder):
    print("| kind | protocol | streams | locks a token | waits a million tokens | "
          "waited, ns a token |\n|---|---|---|---|---|---|")
    models = {"joined": DEMO, "single": make_shape(folder)}
    for kind, model in models.items():
        for protocol in PROTOCOLS:
            for concurrency in arguments.concurrency:
                locks, waits, waited = measure_locks(arguments.binary, kind, model, protocol,
                                                     concurrency, folder)
                print(f"| {kind} | {protocol} | {concurrency} | {locks:.2f} | {1e6 * waits:.1f} | "
                      f"{waited:.2f} |", flush=True)


def cpu_ticks(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def print_idle(arguments):
    troupe_server.BINARY = arguments.binary
    with Server() as server:
        def share(when):
            before = cpu_ticks(server.process.pid)
            time.sleep(arguments.idle_seconds)
            spent = (cpu_ticks(server.process.pid) - before) / os.sysconf("SC_CLK_TCK")
            print(f"idle {when}: {100 * spent / arguments.idle_seconds:.2f} % of a core over "
                  f"{arguments.idle_seconds} s")
        server.wait_until(lambda: not server.is_filling_memory(), 300, "memory is filled")
        share("after the start")
        load(server, "SSE", 32, 96, 64)
        share("after a load")


def describe():
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())[1]
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"],
                            capture_output=True, text=True, check=False).stdout.strip()
    print(f"\n{cpu}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}; "
          f"commit {commit}; bench/frontend/frontend.py {' '.join(sys.argv[1:])}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--binary", default=troupe_server.BINARY)
    parser.add_argument("--against", default="")
    parser.add_argument("--concurrency", default="64,256,1024",
                        type=lambda text: [int(word) for word in text.split(",")])
    parser.add_argument("--idle-seconds", type=int, default=30)
    parser.add_argument("--locks", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        (print_locks if arguments.locks else print_table)(arguments, folder)
    if not arguments.locks:
        print_idle(arguments)
    describe()


if __name__ == "__main__":
    main()
