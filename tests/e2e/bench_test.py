"""`troupe bench`: what it reports is what happened, whoever it asks.

bench_test.py          the short forms (default suite)
bench_test.py --long   the same at full length (nightly)
"""
import csv
import json
import math
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

from fake_server import FakeServer
from tls_test import TlsServer, make_certificate
from troupe_server import BINARY, PLAIN_ENVIRONMENT, Server

IS_LONG = "--long" in sys.argv
# A machine that builds something else beside these tests wakes a generator late; what is tested
# here is not the machine.
PATIENT = ["--max-send-lag", "10s"]
PLAIN = ["--api", "generate", "--no-stream", "--prompt-words", "4", *PATIENT]


class Run:
    """A finished `troupe bench` with its JSON, CSV files and ledger."""

    def __init__(self, url, *flags, expected=0, interrupt_after=None):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            command = [BINARY, "bench", url, "--json", folder / "run.json", "--csv", folder / "run",
                       "--ledger", folder / "run.jsonl", *map(str, flags)]
            process = subprocess.Popen(command, env=PLAIN_ENVIRONMENT, text=True,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            if interrupt_after:
                time.sleep(interrupt_after)
                process.send_signal(signal.SIGINT)
            self.output, self.errors = process.communicate(timeout=240)
            self.status = process.returncode
            assert self.status == expected, \
                f"exit status {self.status}, expected {expected}:\n{self.output}{self.errors}"
            if not (folder / "run.json").exists():
                return
            self.report = json.loads((folder / "run.json").read_text())
            self.stats = self._rows(folder / "run_stats.csv")[-1]
            self.history = self._rows(folder / "run_stats_history.csv")
            self.failures = self._rows(folder / "run_failures.csv")
            lines = (folder / "run.jsonl").read_text().splitlines()
            self.ledger = [json.loads(line) for line in lines]
        self.overall = self.report["overall"]
        self.totals = self.overall["totals"]

    @staticmethod
    def _rows(path):
        with open(path, newline="") as file:
            return list(csv.DictReader(file))

    def check_consistency(self):
        """The console, the JSON, the CSV files and the ledger agree to the last request."""
        found = re.search(r"(\d+) due, (\d+) sent: (\d+) succeeded, (\d+) rejected, (\d+) failed, "
                          r"(\d+) aborted", self.output)
        names = ["scheduled", "sent", "succeeded", "rejected", "failed", "aborted"]
        told = dict(zip(names, map(int, found.groups())))
        assert told == {name: self.totals[name] for name in names}, (told, self.totals)
        ends = [record["outcome"] for record in self.ledger]
        assert len(ends) == told["sent"], (len(ends), told)
        assert ends.count("success") == told["succeeded"]
        assert ends.count("rejected") == told["rejected"]
        assert ends.count("failed") == told["failed"]
        assert int(self.stats["Request Count"]) == sum(told[name] for name in names[2:])
        assert int(self.stats["Failure Count"]) == told["failed"]
        assert int(self.stats["Rejected Count"]) == told["rejected"]
        assert int(self.history[-1]["Total Request Count"]) == int(self.stats["Request Count"])
        assert sum(int(row["Occurrences"]) for row in self.failures) == \
            told["failed"] + told["rejected"]
        assert self.report["completed"] == told["succeeded"]
        series = self.report["series"]
        for mine, theirs in (("due", "scheduled"), ("sent", "sent"), ("succeeded", "succeeded"),
                             ("rejected", "rejected"), ("failed", "failed"),
                             ("output_tokens", "output_tokens")):
            assert sum(point[mine] for point in series) == self.totals[theirs], mine
        times = self.overall["latencies"]["e2e"]
        assert times["count"] == told["succeeded"] == sum(n for _, n in times["buckets"])


def replay(rate, seconds, slots, service, stall):
    """Latencies of a constant schedule on a server as FakeServer, without any clock."""
    free = [0.0] * slots
    out = []
    for i in range(math.ceil(rate * seconds)):
        due = i / rate
        slot = min(range(slots), key=free.__getitem__)
        begin = max(due, free[slot])
        if stall[0] <= begin < stall[0] + stall[1]:
            begin = stall[0] + stall[1]
        free[slot] = begin + service
        out.append(free[slot] - due)
    return out


def exact_quantile(values, q):
    return sorted(values)[math.ceil(q * len(values)) - 1]


def test_a_stall_is_not_hidden():
    seconds, stall = (20, (5, 5)) if IS_LONG else (5, (1, 1.5))
    exact = exact_quantile(replay(29, seconds, 8, 0.1, stall), 0.9)
    # With as many connections as the server has slots the requests wait here instead of there: what
    # they wait counts all the same, and is known to be the generator's.
    for more in ([[], ["--max-connections", 8]] if IS_LONG else [["--max-connections", 8]]):
        with FakeServer(slots=8, seconds=0.1, stall=stall) as server:
            run = Run(server.url, "--rate", 29, "--arrival", "constant", "--duration",
                      f"{seconds}s", *more, *PLAIN)
        found = run.overall["latencies"]["e2e"]["p90_ms"] / 1e3
        assert abs(found / exact - 1) < 0.05, (found, exact)
        assert run.totals["succeeded"] == math.ceil(29 * seconds)
        assert not run.report["warnings"]
        run.check_consistency()
    from_sent = exact_quantile([r["end_s"] - r["sent_s"] for r in run.ledger], 0.9)
    assert from_sent < exact / 2, (from_sent, exact)
    assert run.overall["latencies"]["lag"]["p99_ms"] > 500
    # The same server, as many requests from users who wait: the stall is nearly gone, and said so.
    with FakeServer(slots=8, seconds=0.1, stall=stall) as server:
        closed = Run(server.url, "--users", 3, "--duration", f"{seconds}s", *PLAIN)
    assert closed.overall["latencies"]["e2e"]["p90_ms"] < 500
    assert "coordinated omission" in closed.errors
    assert "coordinated omission" in closed.report["warnings"][0]
    return f"p90 {found:.3f} s, exactly {exact:.3f} s"


def test_refusals_are_apart():
    with FakeServer(slots=64, seconds=0.1, reject=lambda number: number % 10 < 7) as server:
        run = Run(server.url, "--rate", 60, "--duration", "4s", *PLAIN)
        assert run.totals["rejected"] == server.num_rejected
        assert run.totals["succeeded"] == server.num_answered
        assert run.totals["output_tokens"] == server.num_tokens
    assert run.totals["rejections"] == {"http 503": run.totals["rejected"]}
    assert run.totals["failed"] == 0
    times = run.overall["latencies"]
    # Every success takes 100 ms and what a busy machine adds; refusals take a few.
    assert times["e2e"]["min_ms"] >= 99, times["e2e"]
    assert 99 <= times["e2e"]["p50_ms"] < 130, times["e2e"]
    assert times["rejected_e2e"]["p50_ms"] < 50, times["rejected_e2e"]
    run.check_consistency()
    return f"p50 {times['e2e']['p50_ms']:.0f} ms beside {run.totals['rejected']} refusals"


def test_times_of_streams():
    gaps = [0.05, 0.02, 0.02, 0.2, 0.02]
    with FakeServer(slots=64, gaps=gaps) as server:
        run = Run(server.url, "--rate", 20, "--duration", "3s", "--api", "generate", *PATIENT)
        assert run.totals["output_tokens"] == server.num_tokens
    times = run.overall["latencies"]
    for name, seconds in (("ttft", 0.05), ("max_gap", 0.2), ("e2e", sum(gaps)),
                          ("tpot", sum(gaps[1:]) / 4)):
        found = times[name]["p50_ms"] / 1e3
        assert seconds * 0.99 <= found < seconds * 1.1 + 0.03, (name, found, seconds)
    assert times["itl"]["count"] == 4 * run.totals["succeeded"]
    run.check_consistency()
    return f"TTFT {times['ttft']['p50_ms']:.1f} ms, longest gap {times['max_gap']['p50_ms']:.0f} ms"


def test_the_rate_is_kept():
    seconds = 30 if IS_LONG else 3
    with FakeServer(slots=2000, seconds=0.001) as server:
        run = Run(server.url, "--rate", 1000, "--arrival", "constant", "--duration", f"{seconds}s",
                  *PLAIN)
    sent = sorted(record["sent_s"] for record in run.ledger)
    assert len(sent) == 1000 * seconds
    rate = (len(sent) - 1) / (sent[-1] - sent[0])
    # On a busy machine the last ones may be late by some milliseconds.
    assert abs(rate / 1000 - 1) < 0.005 + 0.02 / seconds, rate
    lag = run.overall["latencies"]["lag"]
    assert lag["p50_ms"] < 5, lag
    run.check_consistency()
    return f"{rate:.1f}/s, send lag p50 {lag['p50_ms']:.3f} ms, p99 {lag['p99_ms']:.3f} ms"


def test_exit_statuses():
    with FakeServer(slots=64, seconds=0.05) as server:
        load = ["--rate", 50, "--duration", "1s"]
        assert Run(server.url, *load, *PLAIN, "--slo", "e2e_mean<1s,success>=99%").report[
            "verdict"] == "passed"
        missed = Run(server.url, *load, *PLAIN, "--slo", "e2e_mean<10ms,success>=99%", expected=2)
        assert [one["is_met"] for one in missed.report["slo"]] == [False, True]
        assert "MISSED" in missed.output
        Run(server.url, *load, *PLAIN, "--max-send-lag", "0ms", expected=1)  # given twice
        late = Run(server.url, *load, "--api", "generate", "--no-stream", "--max-send-lag", "0ms",
                   expected=4)
        assert late.report["verdict"] == "generator overloaded"
        for flags in (["--rate", "0"], [], ["--rate", "1", "--users", "1"], ["--slo", "e2e<1s"],
                      ["--rate", "1", "--frequency", "3"], ["--plan", "spike"]):
            Run(server.url, *flags, expected=1)
    Run("http://127.0.0.1:1", *load, expected=1)
    return "0, 1, 2, 4"


def test_an_interrupted_run_reports():
    with FakeServer(slots=64, seconds=0.05) as server:
        begin = time.monotonic()
        run = Run(server.url, "--rate", 50, "--duration", "60s", *PLAIN, interrupt_after=2)
        assert time.monotonic() - begin < 30
    assert run.report["is_interrupted"]
    assert 20 < run.totals["succeeded"] <= 200, run.totals
    assert run.overall["duration_s"] < 30
    run.check_consistency()
    return f"{run.totals['succeeded']} answers before SIGINT"


def test_wrong_answers_are_found():
    flags = ["--rate", 60, "--duration", "2s", "--verify", 5, *PLAIN]
    with FakeServer(slots=64, seconds=0.02) as server:
        fine = Run(server.url, *flags)
    assert fine.report["verification"]["num_canaries"] == len(fine.ledger) // 5
    assert fine.report["verification"]["reference_requests"] == 4
    # Now and then somebody gets another one's answer.
    with FakeServer(slots=64, seconds=0.02,
                    text=lambda p, n: "of another" if n > 4 and n % 7 == 0 else p) as server:
        mixed = Run(server.url, *flags, expected=2)
    found = mixed.report["verification"]
    assert found["num_mismatches"] > 0
    assert mixed.totals["failures"] == {"canary": found["num_mismatches"]}
    mixed.check_consistency()
    return f"{found['num_mismatches']} of {found['num_canaries']} canaries"


def test_schemas_are_checked():
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(json.dumps(schema))
        file.flush()
        flags = ["--rate", 50, "--duration", "1s", "--schema", file.name, *PLAIN]
        with FakeServer(slots=64, seconds=0.01, text=lambda p, n: '{"a": %d}' % n) as server:
            Run(server.url, *flags)
        with FakeServer(slots=64, seconds=0.01, text=lambda p, n: '{"a": "%d"}' % n) as server:
            wrong = Run(server.url, *flags, expected=2)
    assert wrong.totals["failures"] == {"schema": wrong.totals["sent"]}
    return f"{wrong.totals['sent']} against the schema"


def test_the_real_server_counts_the_same():
    names = ["vllm:request_success_total", "vllm:generation_tokens_total",
             "vllm:prompt_tokens_total", "troupe_requests_refused_total"]
    with Server("--max-num-seqs", 4, "--max-num-queued-reqs", 2) as server:
        url = f"http://127.0.0.1:{server.port}"
        results = []
        for flags in (["--api", "chat"], ["--api", "completions", "--no-stream"],
                      ["--api", "generate"], ["--api", "chat", "--websocket"]):
            before = {name: server.metric(name) for name in names}
            run = Run(url, "--rate", 150, "--duration", "1s", "--prompt-words", 20, "--max-tokens",
                      24, "--ignore-eos", "--seed", len(results), *flags, *PATIENT)
            run.check_consistency()
            counted = [server.metric(name) - before[name] for name in names]
            totals = run.totals
            assert counted == [totals["succeeded"], totals["output_tokens"],
                               totals["prompt_tokens"], totals["rejected"]], (counted, totals)
            assert totals["failed"] == totals["aborted"] == 0, totals
            assert totals["output_tokens"] == 24 * totals["succeeded"]
            results.append(f"{totals['succeeded']}+{totals['rejected']}")
        assert run.report["environment"]["server"].startswith("troupe ")
        assert run.report["series"][-1]["server"]["kv_use"] is not None
        server.wait_until(lambda: server.metric("troupe_kv_pages_used") == 0, 10, "pages free")
    return "succeeded+rejected " + ", ".join(results)


def test_failures_have_classes():
    flags = ["--rate", 20, "--duration", "1s", *PLAIN]
    with FakeServer(slots=1, seconds=60) as server:
        slow = Run(server.url, *flags, "--timeout", "300ms", expected=2)
        assert slow.totals["failures"] == {"timeout": slow.totals["sent"]}, slow.totals
        ends = [r["end_s"] - r["sent_s"] for r in slow.ledger]
        assert min(ends) >= 0.3, min(ends)
        left = Run(server.url, *flags, "--drain-timeout", "500ms", expected=2)
        assert left.totals["failures"] == {"unanswered": left.totals["sent"]}, left.totals
        left.check_consistency()
    with FakeServer(slots=8, seconds=0.01, text=lambda p, n: p if n % 2 else None) as server:
        run = Run(server.url, *flags, "--slo", "failed<=0%", "--extra-body", '{"top_p": 0.9}')
        assert run.totals["failed"] == 0  # an answer without text is one
    return f"{slow.totals['failed']} timeouts, {left.totals['failed']} unanswered"


def test_over_tls_with_a_key():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        cert, key = make_certificate(folder)
        load = ["--rate", 20, "--duration", "1s", "--max-tokens", 4, *PATIENT]
        with TlsServer(cert, key, "--api-key", "secret-of-the-bench") as server:
            url = f"https://127.0.0.1:{server.port}"
            trusted = [*load, "--ca", cert, "--api-key", "secret-of-the-bench"]
            for more in ([], ["--websocket"], ["--workers", 2]):
                run = Run(url, *trusted, *more)
                assert run.totals["succeeded"] == run.totals["sent"] > 0, run.totals
                run.check_consistency()
                assert "secret-of-the-bench" not in json.dumps(run.report)
            refused = Run(url, *load, "--insecure", expected=2)
            assert refused.totals["failures"] == {"http 401": refused.totals["sent"]}
            Run(url, *load, expected=1)  # a certificate that nobody vouches for
    return f"{run.totals['succeeded']} answers"


def test_conversations_and_plans():
    with Server() as server:
        url = f"http://127.0.0.1:{server.port}"
        talk = Run(url, "--users", 2, "--max-requests", 4, "--turns", 3, "--prompt-words", 12,
                   "--max-tokens", 8, "--duration", "60s", *PATIENT)
        assert [record["turn"] for record in talk.ledger].count(2) == 4, talk.totals
        by_turn = [min(r["prompt_tokens"] for r in talk.ledger if r["turn"] == t) for t in range(3)]
        assert by_turn[0] < by_turn[1] < by_turn[2], by_turn
        table = Run(url, "--plan", "concurrency", "--concurrency", "1,2", "--stage-duration", "1s",
                    "--max-tokens", 8, *PATIENT)
        rows = re.findall(r"^ +(\d+) +[\d.]+ [mu]?s +[\d.]+ +\d+ MiB +yes$", table.output, re.M)
        assert rows == ["1", "2"], table.output
        spike = Run(url, "--plan", "spike", "--rate", 5, "--spike-factor", 4, "--stage-duration",
                    "1s", "--max-tokens", 4, *PATIENT)
        assert [stage["name"] for stage in spike.report["stages"]] == ["5/s", "20/s", "5/s"]
        assert sum(s["totals"]["sent"] for s in spike.report["stages"]) == spike.totals["sent"]
    return f"prompt tokens by turn {by_turn}"


def main():
    wanted = [arg for arg in sys.argv[1:] if not arg.startswith("--")]
    for name, test in list(globals().items()):
        if name.startswith("test_") and (not wanted or name in wanted):
            begin = time.monotonic()
            told = test()
            print(f"{name[5:]}: {told} ({time.monotonic() - begin:.1f} s)", flush=True)


if __name__ == "__main__":
    main()
