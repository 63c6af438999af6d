#!/usr/bin/python3
"""A long prompt that arrives among running answers: what they notice of it.

long_prompt.py MODEL_DIR [--streams 8] [--prompt-tokens 16000] [--quiet-seconds 20]
               [--flags="--max-num-batched-tokens 256"] [--flags=...]

Starts a server for each --flags in turn, lets the streams run alone for a while, sends the long
prompt and waits for its first token. Prints the streams' inter-token latency before and during, and
all rows per second (prompt and answers) during.
"""
import argparse
import asyncio
import json
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from troupe_server import Server  # noqa: E402


async def open_stream(port, body):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = json.dumps({**body, "stream": True, "ignore_eos": True}).encode()
    writer.write(b"POST /generate HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                 b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
    return reader, writer


async def events(reader):
    while line := await reader.readline():
        if line.startswith(b"data: {"):
            event = json.loads(line[6:])
            assert "error" not in event, event
            yield event


async def listen(port, seed, arrivals):
    """Notes when each piece of the answer comes."""
    body = {"prompt": [100 + seed] * 32, "max_tokens": 8000, "seed": seed}
    reader, writer = await open_stream(port, body)
    try:
        async for _ in events(reader):
            arrivals.append(time.monotonic())
    finally:
        writer.close()


async def first_token(port, num_tokens):
    body = {"prompt": [1000 + i % 5000 for i in range(num_tokens)], "max_tokens": 1}
    reader, writer = await open_stream(port, body)
    async for _ in events(reader):
        break
    writer.close()


def gaps(arrivals, begin, end):
    """Of one stream: those that end within the window."""
    return [b - a for a, b in zip(arrivals, arrivals[1:]) if begin <= b < end]


def share(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * part))]


async def measure(port, options):
    streams = [[] for _ in range(options.streams)]
    tasks = [asyncio.create_task(listen(port, i, s)) for i, s in enumerate(streams)]
    while not all(len(s) > 8 for s in streams):
        await asyncio.sleep(0.05)
    begin = time.monotonic()
    await asyncio.sleep(options.quiet_seconds)
    sent = time.monotonic()
    await first_token(port, options.prompt_tokens)
    end = time.monotonic()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    quiet = [g for s in streams for g in gaps(s, begin, sent)]
    during = [g for s in streams for g in gaps(s, sent, end)]
    rows = options.prompt_tokens + len(during)
    print(f"  quiet:  {len(quiet) / (sent - begin):7.1f} tok/s, between two tokens p50 "
          f"{1e3 * share(quiet, 0.5):.0f} ms, p99 {1e3 * share(quiet, 0.99):.0f} ms")
    print(f"  during: {len(during) / (end - sent):7.1f} tok/s, between two tokens p50 "
          f"{1e3 * share(during, 0.5):.0f} ms, p99 {1e3 * share(during, 0.99):.0f} ms "
          f"({share(during, 0.99) / share(quiet, 0.99):.1f}x)")
    print(f"  first token of the long prompt after {end - sent:.1f} s; all rows: "
          f"{rows / (end - sent):.0f} a second", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--prompt-tokens", type=int, default=16000)
    parser.add_argument("--quiet-seconds", type=float, default=20)
    parser.add_argument("--flags", action="append")
    options = parser.parse_args()
    for flags in options.flags or [""]:
        print(f"flags: {flags or 'none'}", flush=True)
        pages = ["--kv-cache-memory-bytes", "2GiB"]
        with Server(*pages, *flags.split(), model=options.model) as server:
            asyncio.run(measure(server.port, options))


if __name__ == "__main__":
    main()
