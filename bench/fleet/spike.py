#!/usr/bin/env python3
"""A spike against a gateway whose replicas are simulated GPUs: real processes, real requests, the
time of an RTX 4090 with a 7B model. Prints how many first tokens came within a second and how many
replicas there were, and plots them beside the load.

spike.py [--before SECONDS] [--spike SECONDS] [--after SECONDS] [--low RATE] [--high RATE]
         [--max N] [--start SECONDS] [--plot FILE.svg]
"""
import argparse
import pathlib
import random
import re
import tempfile
import threading
import time

from fleet_load import REPLICA_4090, Load, percentile
from shape_7b import make_shape
from troupe_server import Server

WORDS = pathlib.Path(__file__).read_text().split()
LIMIT_S = 1.0
WIDTH, HEIGHT, MARGIN = 720, 220, 40


def draw_request(dice):
    """Lengths of conversations: heavy-tailed prompts, some hundred tokens of answer."""
    num_words = min(900, int(dice.lognormvariate(5, 0.8)))
    num_tokens = min(500, 20 + int(dice.expovariate(1 / 180)))
    return {"prompt": " ".join(dice.choice(WORDS) for _ in range(num_words)),
            "max_tokens": num_tokens}


def send_at(rate, seconds, load, dice):
    """Poisson arrivals."""
    due = time.monotonic()
    end = due + seconds
    while due < end:
        due += dice.expovariate(rate)
        load.send(due, draw_request(dice))


def watch(server, stop, timeline):
    """Appends (second, ready replicas, load) once a second."""
    began = time.monotonic()
    while not stop.wait(1):
        text = server.get("/metrics")[1]
        states = dict(re.findall(r'troupe_replicas\{[^}]*state="(\w+)"\} (\d+)', text))
        load = re.search(r"troupe_load\{[^}]*\} (\S+)", text)[1]
        timeline.append((round(time.monotonic() - began), int(states["ready"]), float(load)))


def plot(timeline, spike, most, path):
    """The ready replicas as steps, the load of each as a thin line, the spike as a grey field."""
    last = timeline[-1][0]

    def across(second):
        return MARGIN + (WIDTH - 2 * MARGIN) * second / last

    def up(share):
        return HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * min(share, 1)

    steps = " ".join(f"{across(s):.1f},{up(previous / most):.1f} {across(s):.1f},{up(n / most):.1f}"
                     for (_, previous, _), (s, n, _) in zip(timeline, timeline[1:]))
    loads = " ".join(f"{across(s):.1f},{up(load / 2):.1f}" for s, _, load in timeline)
    ticks = "".join(f'<text x="4" y="{up(n / most) + 4:.1f}">{n}</text>' for n in range(most + 1))
    begin, end = (across(s) for s in spike)
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">\n'
        '<title>Ready replicas (thick) and load (thin, 2.0 at the top) under a spike</title>\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n'
        f'<rect x="{begin:.1f}" y="{MARGIN}" width="{end - begin:.1f}" '
        f'height="{HEIGHT - 2 * MARGIN}" fill="#eee"/>\n{ticks}'
        f'<text x="{MARGIN}" y="{HEIGHT - 12}">0 s</text>'
        f'<text x="{WIDTH - MARGIN - 30}" y="{HEIGHT - 12}">{last} s</text>\n'
        f'<text x="{MARGIN}" y="20">ready replicas (thick), load of one (thin, top: 2.0), spike '
        '(grey); simulated GPUs</text>\n'
        f'<polyline points="{loads}" fill="none" stroke="#b60" stroke-width="0.8"/>\n'
        f'<polyline points="{steps}" fill="none" stroke="#046" stroke-width="2"/>\n</svg>\n')


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    for name, value in (("before", 300), ("spike", 600), ("after", 1500), ("low", 2),
                        ("high", 16), ("max", 5), ("start", 0)):
        parser.add_argument("--" + name, type=float, default=value)
    parser.add_argument("--plot", type=pathlib.Path)
    return parser.parse_args()


def run_spike(asked, load_of):
    """The load's answers, the watched timeline and what it began and ended with."""
    flags = [*REPLICA_4090, "--gpu-memory-utilization", 0.9, "--sim-load-time", f"{asked.start}s",
             "--replicas", f"1..{int(asked.max)}"]
    timeline, stop, dice = [], threading.Event(), random.Random(1)
    with tempfile.TemporaryDirectory() as folder, \
            Server(*flags, model=make_shape(folder)) as server:
        load = load_of(server.port)
        watcher = threading.Thread(target=watch, args=(server, stop, timeline))
        watcher.start()
        for rate, seconds in ((asked.low, asked.before), (asked.high, asked.spike),
                              (asked.low, asked.after)):
            send_at(rate, seconds, load, dice)
        load.join()
        # In again, one at a time, each after three minutes of little to do.
        deadline = time.monotonic() + 240 * asked.max
        while timeline[-1][1] > 1 and time.monotonic() < deadline:
            time.sleep(1)
        stop.set()
        watcher.join()
    return load, timeline


def main():
    asked = parse_arguments()
    load, timeline = run_spike(asked, Load)
    last = None
    for second, replicas, busy in timeline:
        if replicas != last:
            print(f"{second:5d} s  {replicas} replicas, load {busy:.2f}")
        last = replicas
    firsts = [answer.first_token for answer in load.answers]
    total = len(firsts) + len(load.failures)
    kept = sum(1 for first in firsts if first <= LIMIT_S)
    print(f"{total} requests, {len(load.failures)} failed, first token within {LIMIT_S} s: "
          f"{100 * kept / total:.1f} %, p50 {percentile(firsts, 0.5):.3f} s, p99 "
          f"{percentile(firsts, 0.99):.2f} s, most replicas {max(r for _, r, _ in timeline)}, "
          f"at the end {timeline[-1][1]}")
    if load.failures:
        print("first failure:", load.failures[0])
    if asked.plot:
        plot(timeline, (asked.before, asked.before + asked.spike), int(asked.max), asked.plot)


main()
