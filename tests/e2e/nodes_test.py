"""Ranks of one replica in several processes: the tokens of one process bit for bit, whoever dies or
hangs comes back, every request ends once, and those who do not belong are refused."""
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import time

from fleet_link_test import free_port, make_certificates
from fleet_test import Load, body, children
from troupe_server import BINARY, DEMO, PATIENCE, PLAIN_ENVIRONMENT, Server

SECRET = "only for those who know"
SMALL = ["--threads", 1, "--num-gpu-blocks-override", 2048]


def ask(number):
    """Greedy, seeded, bound to a schema, with the likeliest tokens at each place."""
    return body(number) | {"logprobs": number % 3, "max_tokens": 40 + number}


def answers(server):
    found = server.post_all([ask(i) for i in range(15)], concurrency=8)
    assert all(status == 200 for status, _ in found), found
    return [{k: v for k, v in answer.items() if k in ("text", "logprobs", "tokens", "usage")}
            for _, answer in found]


def without_cache(answer):
    return {k: v for k, v in answer.items() if k != "usage"}


def test_same_answers():
    for size, nodes in ((2, 2), (4, 4), (4, 2)):
        ranks = ["--tensor-parallel-size", size, *SMALL]
        with Server(*ranks) as one:
            wanted = answers(one)
        with Server(*ranks, "--nnodes", nodes) as several:
            assert len(children(several)) == nodes - 1
            assert several.metric("troupe_ranks_present") == size
            found = answers(several)
        assert "logprobs" in wanted[1], wanted[1]
        for number, (mine, theirs) in enumerate(zip(found, wanted)):
            assert without_cache(mine) == without_cache(theirs), (size, nodes, number, mine, theirs)
        print(f"{size} ranks in {nodes} processes: {len(found)} answers as in one")


def test_losses():
    """Under load the other process is killed, and its successor hangs."""
    with Server("--tensor-parallel-size", 2, "--nnodes", 2, *SMALL) as server:
        with Load(server, 6) as load:
            for what in (signal.SIGKILL, signal.SIGSTOP):
                time.sleep(1)
                victim, = children(server)
                began = time.monotonic()
                os.kill(victim, what)
                server.wait_until(lambda: victim not in children(server), 8, "it is missed")
                server.wait_until(server.is_up, 10, "another one is there")
                print(f"{what.name}: ready again after {time.monotonic() - began:.1f} s")
            time.sleep(1)
        assert not load.failures, load.failures[:3]
        assert len(load.texts) == load.next > 10
        assert server.metric("troupe_replica_restarts_total") == 2
        # What was asked during the losses is what is answered now.
        again = server.post_all([body(i) for i in range(load.next)], concurrency=8)
        for number, (status, answer) in enumerate(again):
            assert (status, answer["text"]) == (200, load.texts[number]), number
        print(f"{load.next} requests, none was lost")


class First(Server):
    """Node 0, which starts no others: it is not ready before they have joined."""

    def __init__(self, port, *flags):
        super().__init__("--nnodes", 2, "--tensor-parallel-size", 2, "--master-addr", "127.0.0.1",
                         "--master-port", port, "--stall-timeout", "1s", *SMALL, *flags)
        self.environment = PLAIN_ENVIRONMENT | {"TROUPE_FLEET_SECRET": SECRET}

    def is_up(self):
        return self.get("/health")[0] == 200

    def is_ready(self):
        return self.get("/ready")[0] == 200


class Node:
    def __init__(self, port, *flags, secret=SECRET, model=DEMO, number=1):
        self.command = [BINARY, "serve", str(model), *map(str, [
            "--nnodes", 2, "--tensor-parallel-size", 2, "--node-rank", number, "--master-addr",
            "127.0.0.1", "--master-port", port, "--threads", 1, *flags])]
        self.environment = PLAIN_ENVIRONMENT | {"TROUPE_FLEET_SECRET": secret}

    def __enter__(self):
        self.process = subprocess.Popen(self.command, env=self.environment,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.log = []
        self.reader = threading.Thread(target=lambda: self.log.extend(self.process.stdout))
        self.reader.start()
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(20 * PATIENCE)
        self.reader.join()
        self.process.stdout.close()

    def refusal(self):
        assert self.process.wait(20 * PATIENCE) == 1, self.log
        self.reader.join()
        return self.log[-1]


def other_model(folder):
    """The demo model with one weight's byte changed."""
    copy = folder / "other"
    copy.mkdir()
    for file in DEMO.iterdir():
        data = bytearray(file.read_bytes())
        if file.suffix == ".safetensors":
            data[-1] ^= 1
        (copy / file.name).write_bytes(data)
    return copy


def test_entry(certificates, folder):
    """Only with a certificate of the authority, the secret, the same model and a free number."""
    port = free_port()
    with First(port, *certificates["ours"]) as first:
        ours = certificates["ours"]
        for what, words, node in (
                ("another authority", "", Node(port, "--no-rejoin", *certificates["theirs"])),
                ("no certificate", "", Node(port, "--no-rejoin")),
                ("another secret", "--fleet-secret", Node(port, *ours, secret="guessed")),
                ("another model", "files (", Node(port, *ours, model=other_model(folder))),
                ("another context", "--max-model-len (512 there",
                 Node(port, *ours, "--max-model-len", 512)),
                ("other steps", "--max-num-seqs (3 there, 64 here)",
                 Node(port, *ours, "--max-num-seqs", 3)),
                ("no such node", "--node-rank", Node(port, *ours, number=2))):
            with node:
                line = node.refusal()
            assert words in line, (what, line)
            print("refused:", what, "-", line.split("] ")[-1].strip())
        check_absence(first)
        with Node(port, *ours):
            first.wait_until(first.is_ready, 20, "the node joined")
            assert first.metric("troupe_ranks_present") == 2
            assert first.post(body(1))[0] == 200
            with Node(port, "--no-rejoin", *ours) as second:
                assert "node 1 is here already" in second.refusal()
            # CAF may take the end of one TLS connection for another's; who was cut comes back.
            first.wait_until(lambda: first.post(body(2))[0] == 200, 10, "the first one computes")
        first.wait_until(lambda: not first.is_ready(), 10, "it left")


def check_absence(first):
    """Ranks that are missing are said to be, and nobody waits for them for ever."""
    assert first.metric("troupe_ranks") == 2
    assert first.metric("troupe_ranks_present") == 1
    status, text = first.get("/ready")
    assert status == 503 and "node 1 (rank 1) is missing" in text, text
    first.wait_until(lambda: first.post(body(1))[0] == 503, 5, "requests are refused")
    connection = first.connect()
    connection.request("POST", "/generate", '{"prompt": "Hello"}',
                       {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.status == 503 and int(answer.getheader("Retry-After")) > 0
    assert "node 1 (rank 1) is missing" in answer.read().decode()
    connection.close()


def test_return():
    """A node outlives the first one, and its own long silence."""
    port = free_port()
    with Node(port) as node:
        with First(port) as first:
            first.wait_until(first.is_ready, 30, "they met")
            text = first.post(body(3))[1]["text"]
            node.process.send_signal(signal.SIGSTOP)
            first.wait_until(lambda: not first.is_ready(), 5, "its silence is noticed")
            time.sleep(1)
            node.process.send_signal(signal.SIGCONT)
            first.wait_until(first.is_ready, 30, "it came back")
            assert first.post(body(3))[1]["text"] == text
        with First(port) as first:
            first.wait_until(first.is_ready, 30, "it came to the next one")
            assert first.post(body(3))[1]["text"] == text
        assert node.process.poll() is None


def main():
    test_same_answers()
    test_losses()
    test_return()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        test_entry(make_certificates(folder), folder)


if __name__ == "__main__":
    main()
