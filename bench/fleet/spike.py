#!/usr/bin/env python3
"""A spike against a gateway whose replicas are simulated GPUs: real processes, real requests, the
time of an RTX 4090 with a 7B model. Prints how many first tokens came within a second, and the
replicas second by second.

spike.py [--spike SECONDS] [--quiet SECONDS] [--low RATE] [--high RATE] [--max N]
"""
import argparse
import http.client
import json
import pathlib
import random
import re
import shutil
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from troupe_server import DEMO, Server  # noqa: E402

SHAPE_7B = dict(hidden_size=3584, intermediate_size=18944, num_hidden_layers=28,
                num_attention_heads=28, num_key_value_heads=4, vocab_size=152064,
                max_position_embeddings=8192, tie_word_embeddings=False)
WORDS = pathlib.Path(__file__).read_text().split()
LIMIT_S = 1.0


def make_shape(folder):
    """The demo's tokenizer with the shape of a 7B: --device sim reads no weights."""
    model = pathlib.Path(folder) / "7b"
    shutil.copytree(DEMO, model, ignore=shutil.ignore_patterns("*.safetensors"))
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, **SHAPE_7B}))
    return model


class Spike:
    def __init__(self, server, seed):
        self.server = server
        self.random = random.Random(seed)
        self.first_tokens, self.failures, self.timeline = [], [], []
        self.threads = []

    def ask(self, due, num_words, num_tokens):
        prompt = " ".join(self.random.choice(WORDS) for _ in range(num_words))
        body = {"prompt": prompt, "max_tokens": num_tokens, "stream": True, "ignore_eos": True}
        try:
            line = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=300)
            line.request("POST", "/generate", json.dumps(body),
                         {"Content-Type": "application/json"})
            answer = line.getresponse()
            assert answer.status == 200, answer.status
            first, end = None, False
            for text in answer:
                if text.startswith(b"data: ") and first is None:
                    first = time.monotonic() - due
                end = end or text.strip() == b"data: [DONE]"
            assert end, "broken off"
            self.first_tokens.append(first)
        except (OSError, AssertionError, http.client.HTTPException) as error:
            self.failures.append(repr(error))

    def send(self, rate, seconds):
        """Poisson arrivals; latency counts from the moment a request was due."""
        due = time.monotonic()
        end = due + seconds
        while due < end:
            due += self.random.expovariate(rate)
            time.sleep(max(0, due - time.monotonic()))
            # Lengths of conversations: heavy-tailed prompts, some hundred tokens of answer.
            num_words = min(900, int(self.random.lognormvariate(5, 0.8)))
            num_tokens = min(500, 20 + int(self.random.expovariate(1 / 180)))
            thread = threading.Thread(target=self.ask, args=(due, num_words, num_tokens))
            thread.start()
            self.threads.append(thread)

    def watch(self, stop):
        began = time.monotonic()
        while not stop.wait(1):
            text = self.server.get("/metrics")[1]
            states = dict(re.findall(r'troupe_replicas\{[^}]*state="(\w+)"\} (\d+)', text))
            load = re.search(r"troupe_load\{[^}]*\} (\S+)", text)[1]
            self.timeline.append((round(time.monotonic() - began), int(states["ready"]),
                                  float(load)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, value in (("spike", 600), ("quiet", 60), ("low", 2), ("high", 16), ("max", 5)):
        parser.add_argument("--" + name, type=float, default=value)
    asked = parser.parse_args()
    flags = ["--device", "sim", "--sim-gpu", "rtx4090", "--gpu-memory-utilization", 0.9,
             "--max-num-seqs", 256, "--max-num-batched-tokens", 2048, "--replicas",
             f"1..{int(asked.max)}", "--scale-in-after", "30s"]
    with tempfile.TemporaryDirectory() as folder, \
            Server(*flags, model=make_shape(folder)) as server:
        run = Spike(server, 1)
        stop = threading.Event()
        watcher = threading.Thread(target=run.watch, args=(stop,))
        watcher.start()
        for rate, seconds in ((asked.low, asked.quiet), (asked.high, asked.spike),
                              (asked.low, asked.quiet)):
            run.send(rate, seconds)
        for thread in run.threads:
            thread.join()
        stop.set()
        watcher.join()
    last = None
    for second, replicas, load in run.timeline:
        if replicas != last:
            print(f"{second:5d} s  {replicas} replicas, load {load:.2f}")
        last = replicas
    total = len(run.first_tokens) + len(run.failures)
    kept = sum(1 for first in run.first_tokens if first <= LIMIT_S)
    ordered = sorted(run.first_tokens)
    print(f"{total} requests, {len(run.failures)} failed, first token within {LIMIT_S} s: "
          f"{100 * kept / total:.1f} %, p50 {ordered[len(ordered) // 2]:.3f} s, p99 "
          f"{ordered[int(len(ordered) * 0.99)]:.2f} s, most replicas "
          f"{max(r for _, r, _ in run.timeline)}")
    if run.failures:
        print("first failure:", run.failures[0])


main()
