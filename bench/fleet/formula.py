#!/usr/bin/env python3
"""Four real replicas on simulated GPUs beside the formula that the fleet was designed with.

The same requests, at the same moments, go to `troupe serve --replicas 4 --device sim` and through a
queue model of a 4090 with a 7B model: a step takes 15 ms, 0.09 ms for each token of a prompt and
0.06 ms for each sequence; once as it stands, and once with the two rules by which Troupe departs
from it: the next step is planned while one computes, and prompts may make a step in which others
decode only so much slower. Prints all three and the ratios of the replicas to both.

formula.py [--rate R ...] [--seconds S] [--seed N]
"""
import argparse
import collections
import dataclasses
import heapq
import itertools
import random
import tempfile
import time

from fleet_load import REPLICA_4090, Answer, Load, percentile
from shape_7b import make_shape
from troupe_server import Server

NUM_REPLICAS = 4
NUM_PAGES = 110_000 // 16
STEP_S, PREFILL_TOKEN_S, SEQUENCE_S = 0.015, 0.09e-3, 0.06e-3
BUDGET, MAX_SEQS = 2048, 256
NUM_TOKEN_IDS = 1000  # what prompts are drawn from: nothing is shared
DECODE_WEIGHT = 0.25

Request = collections.namedtuple("Request", "due prompt output")


def draw_requests(rate, seconds, dice):
    """Independent prompts with a heavy tail, exponential answers, Poisson arrivals."""
    due, out = 0, []
    while due < seconds:
        due += dice.expovariate(rate)
        prompt = max(1, min(10_000, int(450 * dice.lognormvariate(0, 1.3))))
        output = max(1, min(1000, int(dice.expovariate(1 / 120))))
        out.append(Request(due, prompt, output))
    return out


class Running:
    def __init__(self, request):
        self.request, self.missing, self.generated = request, request.prompt, 0
        self.answer = Answer()


@dataclasses.dataclass
class Rules:
    """What Troupe does and the formula does not know of."""
    steps_in_flight: int = 1  # the next step is planned while one computes
    max_slowdown: float = 0  # of a step in which others decode, by prompts; 0: none


class Replica:
    """Decodes first, then prompts in their order, as many of their tokens as the budget leaves."""

    def __init__(self, rules):
        self.rules = rules
        self.running, self.waiting = [], collections.deque()
        self.planned = collections.deque()  # (seconds, who gets a token), the first one computes

    def score(self, expected):
        everybody = [*self.running, *self.waiting]
        return sum(r.missing for r in everybody) + DECODE_WEIGHT * sum(
            max(1, expected - r.generated) for r in everybody)

    def plan(self):
        """Plans steps until enough are in flight. Says whether one begins to compute now."""
        is_idle = not self.planned
        while len(self.planned) < self.rules.steps_in_flight:
            while self.waiting and len(self.running) < MAX_SEQS:
                self.running.append(self.waiting.popleft())
            if not self.running:
                break
            self.planned.append(self.plan_step())
        return is_idle and bool(self.planned)

    def plan_step(self):
        decoding = [r for r in self.running if not r.missing]
        alone = STEP_S + SEQUENCE_S * len(decoding)
        budget = BUDGET - len(decoding)
        if decoding and self.rules.max_slowdown:
            budget = min(budget, int((self.rules.max_slowdown - 1) * alone / PREFILL_TOKEN_S))
        num_rows, num_prompts, done = 0, 0, list(decoding)
        for runner in self.running:
            num = min(budget - num_rows, runner.missing)
            runner.missing -= num
            num_rows += num
            num_prompts += num > 0
            if num and not runner.missing:
                done.append(runner)
        for runner in done:
            runner.generated += 1
        self.running = [r for r in self.running if r.generated < r.request.output]
        return alone + SEQUENCE_S * num_prompts + PREFILL_TOKEN_S * num_rows, [
            (runner, runner.generated) for runner in done]

    def end_step(self, now, answers):
        for runner, generated in self.planned.popleft()[1]:
            since = now - runner.request.due
            runner.answer.first_token = runner.answer.first_token or since
            if generated == runner.request.output:
                runner.answer.end, runner.answer.num_tokens = since, generated
                answers.append(runner.answer)


def play(requests, rules):
    """The formula's answers."""
    fleet = [Replica(rules) for _ in range(NUM_REPLICAS)]
    answers, expected, order = [], 100.0, itertools.count()
    events = [(request.due, next(order), request) for request in requests]
    while events:
        now, _, event = heapq.heappop(events)
        if isinstance(event, Request):
            replica = min(fleet, key=lambda r: r.score(expected))
            expected += 0.02 * (event.output - expected)
            replica.waiting.append(Running(event))
            begins = replica.plan()
        else:
            replica = event
            replica.end_step(now, answers)
            replica.plan()
            begins = bool(replica.planned)
        if begins:
            heapq.heappush(events, (now + replica.planned[0][0], next(order), replica))
    return answers


def serve(requests, dice):
    """The real processes' answers."""
    flags = [*REPLICA_4090, "--replicas", f"{NUM_REPLICAS}..{NUM_REPLICAS}",
             "--num-gpu-blocks-override", NUM_PAGES, "--gpu-memory-utilization", 0.98]
    bodies = [{"prompt": [dice.randrange(NUM_TOKEN_IDS) for _ in range(request.prompt)],
               "max_tokens": request.output} for request in requests]
    with tempfile.TemporaryDirectory() as folder, \
            Server(*flags, model=make_shape(folder)) as server:
        load = Load(server.port)
        began = time.monotonic() + 1
        for request, body in zip(requests, bodies):
            load.send(began + request.due, body)
        load.join()
    assert not load.failures, load.failures[0]
    return load.answers


def figures_of(requests, answers):
    firsts = [a.first_token for a in answers]
    between = [(a.end - a.first_token) / (a.num_tokens - 1) for a in answers if a.num_tokens > 1]
    spans = [a.end for a in answers]
    return {"answers": len(answers), "tokens": sum(a.num_tokens for a in answers),
            "first token, mean s": sum(firsts) / len(firsts),
            "first token, p50 s": percentile(firsts, 0.5),
            "first token, p90 s": percentile(firsts, 0.9),
            "first token, p99 s": percentile(firsts, 0.99),
            "between tokens, mean s": sum(between) / len(between),
            "whole answer, mean s": sum(spans) / len(spans),
            "whole answer, p90 s": percentile(spans, 0.9),
            "in flight, mean": sum(spans) / requests[-1].due}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rate", type=float, nargs="*", default=[8, 16, 20])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    for rate in asked.rate:
        dice = random.Random(asked.seed)
        requests = draw_requests(rate, asked.seconds, dice)
        bare, ruled, seen = (figures_of(requests, answers) for answers in (
            play(requests, Rules()), play(requests, Rules(2, 2.4)), serve(requests, dice)))
        print(f"{rate:g} requests/s for {asked.seconds:g} s"
              f"\n{'':24}{'formula':>10}{'+ rules':>10}{'replicas':>10}{'ratios':>14}")
        for name, value in bare.items():
            print(f"{name:24}{value:10.3f}{ruled[name]:10.3f}{seen[name]:10.3f}"
                  f"{seen[name] / value:8.2f}{seen[name] / ruled[name]:6.2f}")


main()
