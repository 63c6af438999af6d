#!/usr/bin/env python3
"""Mixed load for as long as asked, with replicas killed meanwhile: streams, whole answers, schemas,
clients that leave, bad input. Nothing may be lost, no canary may change its text, nothing may grow.

tests/faults/soak.py --minutes 20 [--replicas 2] [--clients 6]"""
import argparse
import json
import os
import pathlib
import random
import re
import signal
import threading
import time

from ledger import Ledger
from troupe_server import Server

SCHEMA = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 12},
                                           "age": {"type": "integer", "minimum": 0}},
          "required": ["name", "age"], "additionalProperties": False}
BROKEN = (b"{", b'{"prompt": 5}', b'{"prompt": "Hi", "max_tokens": -1}', b"[]", b"\xff\xfe",
          b'{"prompt": "Hi", "json_schema": {"type": "nonsense"}}')
CANARIES = (
    {"prompt": "Tell me a story.", "max_tokens": 60, "temperature": 0, "ignore_eos": True},
    {"prompt": "Write a poem.", "max_tokens": 60, "temperature": 0.9, "seed": 7,
     "ignore_eos": True},
    {"prompt": "A person, please.", "max_tokens": 120, "temperature": 0.7, "seed": 3,
     "json_schema": SCHEMA},
)
MAX_SLOPE_BYTES = 1 << 20  # an hour
MIN_MINUTES_FOR_SLOPE = 15
SETTLED_AFTER = 0.25       # of the time: caches fill, allocators find their size


def children(pid):
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            found += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return found


def resident(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) << 10


def slope(samples):
    """Least squares: bytes a second, and how far a sample lies from the line on average."""
    mean_t = sum(t for t, _ in samples) / len(samples)
    mean_b = sum(b for _, b in samples) / len(samples)
    spread = sum((t - mean_t) ** 2 for t, _ in samples)
    rise = sum((t - mean_t) * (b - mean_b) for t, b in samples) / spread
    scatter = sum(abs(b - mean_b - rise * (t - mean_t)) for t, b in samples) / len(samples)
    # How well such a line is known: half of its samples' scatter, over the root of their number.
    return rise, 2 * scatter / (spread ** 0.5)


class Soak:
    def __init__(self, server, minutes, clients, kill_every_s):
        self.server, self.end = server, time.monotonic() + 60 * minutes
        self.seconds, self.kill_every_s = 60 * minutes, kill_every_s
        self.ledger, self.expected = Ledger(server), {}
        self.mismatches, self.wrong, self.errors, self.kills = [], [], [], 0
        self.rss, self.fds = [], []
        self.threads = [threading.Thread(target=self.guard, args=(self.work, i))
                        for i in range(clients)]
        self.threads += [threading.Thread(target=self.guard, args=(work,))
                         for work in (self.watch_canaries, self.measure, self.kill)]

    def guard(self, work, *args):
        try:
            work(*args)
        except Exception as error:  # a test that dies in silence would pass
            self.errors.append(repr(error))
            self.end = 0

    def run(self):
        for number, body in enumerate(CANARIES):
            self.expected[number] = self.ledger.ask(body).text
        for thread in self.threads:
            thread.start()
        for thread in self.threads:
            thread.join()

    def is_on(self):
        return time.monotonic() < self.end

    def work(self, worker):
        chance = random.Random(worker)
        while self.is_on():
            dice = chance.random()
            body = {"prompt": f"Question {chance.randrange(10**6)}: why?", "seed": worker,
                    "max_tokens": chance.randrange(1, 160), "stream": chance.random() < 0.5}
            if dice < 0.15:
                self.ledger.ask(body | {"json_schema": SCHEMA, "max_tokens": 160})
            elif dice < 0.25:
                self.ledger.ask(body | {"stream": True, "max_tokens": 200, "ignore_eos": True},
                                leave_after=chance.randrange(1, 20))
            elif dice < 0.30:
                self.ledger.vanish(body, chance.random() * 0.05)
            elif dice < 0.40:
                self.send_broken(chance)
            else:
                self.ledger.ask(body)

    def send_broken(self, chance):
        status, _ = self.server.post(chance.choice(BROKEN))
        if not 400 <= status < 500:
            self.wrong.append(status)

    def watch_canaries(self):
        while self.is_on():
            for number, body in enumerate(CANARIES):
                record = self.ledger.ask(body)
                if record.end != "finished" or record.text != self.expected[number]:
                    self.mismatches.append((number, record.end, record.error, record.text))
            time.sleep(1)

    def measure(self):
        began = time.monotonic()
        while self.is_on():
            now = time.monotonic() - began
            if now >= SETTLED_AFTER * self.seconds:
                self.rss.append((now, resident(self.server.process.pid)))
                self.fds.append(self.ledger.count_fds())
            time.sleep(min(2.0, self.seconds / 60))

    def kill(self):
        chance = random.Random(99)
        while self.kill_every_s and self.is_on():
            time.sleep(min(self.kill_every_s, max(0, self.end - time.monotonic())))
            pids = children(self.server.process.pid)
            # Near the end there would be no time to see what becomes of it.
            if len(pids) < 2 or time.monotonic() > self.end - self.kill_every_s / 2:
                continue
            os.kill(chance.choice(pids), signal.SIGKILL)
            self.kills += 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--kill-every", type=float, default=20, help="seconds; 0: never")
    args = parser.parse_args()
    flags = ("--replicas", args.replicas) if args.replicas else ()
    with Server(*flags, "--max-model-len", 1024, "--kv-cache-memory-bytes", "64MiB") as server:
        soak = Soak(server, args.minutes, args.clients, args.kill_every if args.replicas else 0)
        soak.run()
        assert not soak.errors, soak.errors
        ends = soak.ledger.check()
        rise, doubt = slope(soak.rss)
        grown = max(soak.fds) - min(soak.fds)
        print(json.dumps({
            "minutes": args.minutes, "requests": len(soak.ledger.records), "ends": dict(ends),
            "kills": soak.kills, "canary_mismatches": len(soak.mismatches),
            "wrongly_accepted": len(soak.wrong), "resident_mib": round(soak.rss[-1][1] / 2**20, 1),
            "rss_slope_kib_per_hour": round(rise * 3600 / 1024),
            "slope_known_within_kib_per_hour": round(doubt * 3600 / 1024),
            "fds_between": [min(soak.fds), max(soak.fds)]}))
        assert not soak.mismatches, soak.mismatches[:3]
        assert not soak.wrong, soak.wrong[:3]
        # In less time a cache that fills cannot be told from a leak.
        if args.minutes >= MIN_MINUTES_FOR_SLOPE:
            assert (rise - doubt) * 3600 < MAX_SLOPE_BYTES, (rise * 3600, doubt * 3600)
        assert grown <= 4 * args.clients + 16, soak.fds


if __name__ == "__main__":
    main()
