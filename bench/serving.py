#!/usr/bin/env python3
"""Time to first token and throughput of a server under closed-loop load, as a table.

    bench/serving.py [MODEL_DIR] [--concurrency 1,4,16,64] [--prompt-chars N] [--tokens N] [flags]

Starts `build/src/troupe serve` itself (flags as --flag=value go to it), streams every answer,
prints one row per concurrency.
"""
import argparse
import asyncio
import json
import pathlib
import platform
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from troupe_server import DEMO, Server  # noqa: E402


async def stream_one(port, body):
    """Seconds to the first token and to the end, and the number of tokens; None if it failed."""
    start = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = json.dumps(body).encode()
    writer.write(b"POST /generate HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                 b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
    first, usage = 0.0, None
    while line := await reader.readline():
        if not line.startswith(b"data: {"):
            continue
        first = first or time.perf_counter() - start
        event = json.loads(line[6:])
        usage = event.get("usage") or usage
    writer.close()
    return (first, time.perf_counter() - start, usage["completion_tokens"]) if usage else None


async def load(port, concurrency, num_requests, make_body):
    results, numbers = [], iter(range(num_requests))

    async def client():
        for i in numbers:
            results.append(await stream_one(port, make_body(i)))
    start = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(concurrency)))
    return results, time.perf_counter() - start


def row(server, concurrency, arguments):
    words = "The quick reader asks the small model for one more story about rivers and rain. "
    prompt = (words * 400)[:arguments.prompt_chars]

    def make_body(i):
        return {"prompt": f"{i} {prompt}", "max_tokens": arguments.tokens, "stream": True,
                "ignore_eos": True, "seed": i}
    num_requests = max(arguments.min_requests, 3 * concurrency)
    results, seconds = asyncio.run(load(server.port, concurrency, num_requests, make_body))
    good = [r for r in results if r]
    firsts = sorted(r[0] for r in good)
    p99 = firsts[min(len(firsts) - 1, int(len(firsts) * 0.99))]
    tokens = sum(r[2] for r in good)
    print(f"| {concurrency} | {statistics.median(firsts) * 1e3:.0f} / {p99 * 1e3:.0f} "
          f"| {tokens / seconds:.0f} | {server.rss_bytes() / 2**20:.0f} "
          f"| {len(results) - len(good)} |",
          flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default=DEMO)
    parser.add_argument("--concurrency", default="1,4,16,64")
    parser.add_argument("--prompt-chars", type=int, default=400)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--min-requests", type=int, default=16)
    arguments, flags = parser.parse_known_args()
    cpu = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo")
               if line.startswith("model name"))
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"],
                            capture_output=True, text=True).stdout.strip()
    with Server(*flags, model=arguments.model) as server:
        print("| concurrent | TTFT p50 / p99 ms | tokens/s | memory MiB | failures |")
        print("|---|---|---|---|---|")
        for concurrency in map(int, arguments.concurrency.split(",")):
            row(server, concurrency, arguments)
    command = ' '.join(['bench/serving.py', *sys.argv[1:]])
    print(f"\n{cpu}, {platform.machine()}, commit {commit}, {command}")


if __name__ == "__main__":
    main()
