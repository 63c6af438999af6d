"""A gateway and its replicas as processes: whichever of them die or hang, under load, no client
notices more than a pause, and every text is the one of an undisturbed run."""
import json
import os
import pathlib
import random
import re
import signal
import threading
import time

from troupe_server import PATIENCE, Server

NUM_KILLS = int(os.environ.get("NUM_KILLS", "2"))


def children(server):
    """Pids of the replicas, oldest first."""
    path = pathlib.Path(f"/proc/{server.process.pid}/task")
    pids = []
    for task in path.iterdir():
        pids += map(int, (task / "children").read_text().split())
    return sorted(pids)


def serving(server):
    found = re.search(r'troupe_replicas\{[^}]*state="ready"\} (\d+)', server.get("/metrics")[1])
    return int(found[1]) if found else 0


def body(number):
    """A request of its own: greedy, seeded, or bound to a schema."""
    ask = {"prompt": f"Tell me story number {number}, please.", "max_tokens": 120 + number % 80,
           "seed": number, "temperature": 0 if number % 3 == 0 else 0.9, "ignore_eos": True}
    if number % 5 == 0:
        ask.pop("ignore_eos")
        ask["json_schema"] = {"type": "array", "minItems": 8, "maxItems": 16,
                              "items": {"type": "string", "maxLength": 12}}
    return ask


class Load:
    """Clients in a closed loop over numbered requests, some streaming; keeps texts and gaps."""

    def __init__(self, server, concurrency):
        self.server = server
        self.stop = threading.Event()
        self.next = 0
        self.lock = threading.Lock()
        self.texts, self.failures, self.gaps = {}, [], []
        self.threads = [threading.Thread(target=self.work, args=(i,)) for i in range(concurrency)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join(120 * PATIENCE)
            assert not thread.is_alive(), "a client hangs"

    def work(self, worker):
        while not self.stop.is_set():
            with self.lock:
                number, self.next = self.next, self.next + 1
            try:
                self.texts[number] = (self.stream if worker % 2 else self.ask)(number)
            except Exception as error:  # whatever it is, it is a failed request
                self.failures.append((number, repr(error)))

    def ask(self, number):
        status, answer = self.server.post(body(number))
        assert status == 200, (status, answer)
        return answer["text"]

    def stream(self, number):
        connection = self.server.connect()
        connection.request("POST", "/generate", json.dumps(body(number) | {"stream": True}),
                           {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200, (answer.status, answer.read())
        text, last, end = "", time.monotonic(), False
        for line in answer:
            if not line.startswith(b"data: "):
                continue
            now = time.monotonic()
            self.gaps.append(now - last)
            last = now
            if line.strip() == b"data: [DONE]":
                end = True
                break
            event = json.loads(line[6:])
            assert "error" not in event, event
            text += event.get("text", "")
        connection.close()
        assert end, "the stream broke off"
        return text


def check(load, alone):
    assert not load.failures, load.failures[:3]
    assert len(load.texts) == load.next
    for number, text in load.texts.items():
        if number not in alone.texts:
            alone.texts[number] = alone.ask(number)
        assert text == alone.texts[number], (number, text, alone.texts[number])


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def disturb(server, alone, disturbance, times, timeout_s):
    """While clients wait for answers: the disturbance of one replica, again and again."""
    backs = []
    with Load(server, 8) as load:
        for _ in range(times):
            time.sleep(2.5)  # deaths in a row would be a fault of the program, to be tried rarely
            victim = random.Random(len(backs)).choice(children(server))
            began = time.monotonic()
            os.kill(victim, disturbance)
            server.wait_until(lambda: victim not in children(server), timeout_s, "it is missed")
            server.wait_until(lambda: serving(server) == 2, 10, "two serve again")
            backs.append(time.monotonic() - began)
    check(load, alone)
    return load, backs


def test_losses(server, alone):
    for name, what, seconds in (("kill", signal.SIGKILL, 2), ("hang", signal.SIGSTOP, 5)):
        load, backs = disturb(server, alone, what, NUM_KILLS, seconds)
        gap = percentile(load.gaps, 0.99)
        print(f"{name}: {len(load.texts)} requests, gap p99 {gap:.3f} s, largest "
              f"{max(load.gaps):.3f} s, two replicas again after {max(backs):.2f} s at most")
        assert gap < 2 * PATIENCE
        assert max(backs) < 5 * PATIENCE
    assert server.metric("troupe_resumed_requests_total") > 0


def test_renewal(server, alone):
    """SIGHUP: every process is another one, and nobody noticed."""
    before = set(children(server))
    with Load(server, 8) as load:
        time.sleep(0.3)
        server.process.send_signal(signal.SIGHUP)
        server.wait_until(lambda: not before & set(children(server)) and serving(server) == 2, 30,
                          "all replicas are new")
    check(load, alone)
    print(f"renewal: {len(load.texts)} requests")


def test_prefixes(server, alone):
    """Requests go where their prefix is: as many hits as one replica has."""
    system = "You are the conductor of a small orchestra, and you answer in one sentence. " * 8

    def hits(where, tag):
        before = where.metric("vllm:prefix_cache_hits_total")
        for number in range(40):
            status, _ = where.post({"prompt": f"{tag} {number % 4}: {system} Question {number}?",
                                    "max_tokens": 4, "temperature": 0})
            assert status == 200
        time.sleep(0.5)  # reports come ten times a second
        return where.metric("vllm:prefix_cache_hits_total") - before

    of_two, of_one = hits(server, "Concert"), hits(alone.server, "Concert")
    print(f"prefix hits: {of_two:.0f} tokens with two replicas, {of_one:.0f} with one")
    assert of_two >= 0.9 * of_one > 0


def test_only_one():
    """The only replica dies: requests wait and are answered by the next one."""
    with Server("--replicas", 1) as server, Load(server, 4) as load:
        for _ in range(2):
            time.sleep(0.5)
            victim = children(server)[0]
            os.kill(victim, signal.SIGKILL)
            server.wait_until(lambda: victim not in children(server) and serving(server) == 1, 10,
                              "another one serves")
    assert not load.failures, load.failures[:3]


def test_scaling():
    """Load brings replicas, quiet takes them away; nobody fails meanwhile."""
    with Server("--replicas", "1..3", "--scale-out-after", "1s", "--scale-in-after", "3s",
                "--max-num-seqs", 8) as server:
        with Load(server, 20) as load:
            server.wait_until(lambda: serving(server) == 3, 30, "three serve")
        assert len(children(server)) <= 3
        assert not load.failures, load.failures[:3]
        server.wait_until(lambda: len(children(server)) == 1, 60, "one is left")
        status, _ = server.post(body(1))
        assert status == 200
        assert server.metric("troupe_scaling_decisions_total") >= 3


def test_shutdown():
    """SIGTERM under load: what runs is finished, and no process stays."""
    with Server("--replicas", 2) as server:
        with Load(server, 8) as load:
            time.sleep(0.5)
            pids = children(server)
            load.stop.set()
            server.process.send_signal(signal.SIGTERM)
        server.process.wait(30 * PATIENCE)
        assert not load.failures, load.failures[:3]
        for pid in pids:
            assert not pathlib.Path(f"/proc/{pid}").exists(), "a replica was left behind"


def test_hopeless():
    """Replicas that die at once: an error soon, not a wait."""
    with Server("--replicas", 1) as server:
        stop = threading.Event()

        def kill_all():
            while not stop.is_set():
                for pid in children(server):
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
                time.sleep(0.01)

        killer = threading.Thread(target=kill_all)
        killer.start()
        try:
            server.wait_until(lambda: server.post(body(3))[0] == 503, 20, "503")
            began = time.monotonic()
            assert server.post(body(3))[0] == 503 and time.monotonic() - began < 1
            assert server.get("/ready")[0] == 503
        finally:
            stop.set()
            killer.join()
        server.wait_until(lambda: server.get("/ready")[0] == 200, 30, "it came back by itself")
        assert server.post(body(3))[0] == 200


def test_devices():
    """What a replica is started with suits every device that this machine has."""
    for flags in (["--device", "null"], ["--device", "sim", "--gpu-memory-utilization", 0.9],
                  ["--kv-cache-memory-bytes", "64MiB"], ["--quantization", "int8"]):
        with Server("--replicas", 1, *flags) as server:
            status, answer = server.post({"prompt": "Hello", "max_tokens": 4, "ignore_eos": True})
            assert status == 200, (flags, answer)


def main():
    test_devices()
    with Server("--replicas", 2) as server, Server() as one:
        alone = Load(one, 0)
        test_losses(server, alone)
        test_renewal(server, alone)
        test_prefixes(server, alone)
    test_only_one()
    test_scaling()
    test_shutdown()
    test_hopeless()


if __name__ == "__main__":
    main()
