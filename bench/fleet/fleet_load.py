"""What the fleet's benchmarks share: where the helpers are, one streamed request, its times."""
import dataclasses
import http.client
import json
import pathlib
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "tests" / "e2e"), str(ROOT / "bench")]

REPLICA_4090 = ["--device", "sim", "--sim-gpu", "rtx4090", "--max-num-seqs", 256,
                "--max-num-batched-tokens", 2048]


@dataclasses.dataclass
class Answer:
    """Seconds since the request was due."""
    first_token: float = 0
    end: float = 0
    num_tokens: int = 0


class Load:
    """Sends each request when it is due, whatever became of those before it."""

    def __init__(self, port):
        self.port = port
        self.answers, self.failures = [], []
        self.threads = []

    def send(self, due, body):
        time.sleep(max(0, due - time.monotonic()))
        thread = threading.Thread(target=self.ask, args=(due, body))
        thread.start()
        self.threads.append(thread)

    def ask(self, due, body):
        try:
            line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
            line.request("POST", "/generate",
                         json.dumps({**body, "stream": True, "ignore_eos": True}),
                         {"Content-Type": "application/json"})
            answer = line.getresponse()
            assert answer.status == 200, answer.status
            self.answers.append(read_stream(answer, due))
        except (OSError, AssertionError, http.client.HTTPException) as error:
            self.failures.append(repr(error))

    def join(self):
        for thread in self.threads:
            thread.join()


def read_stream(lines, due):
    seen, last, is_whole = Answer(), b"", False
    for line in lines:
        if line.startswith(b"data: [DONE]"):
            is_whole = True
        elif line.startswith(b"data: "):
            last = line
            seen.end = time.monotonic() - due
            seen.first_token = seen.first_token or seen.end
    assert is_whole, "broken off"
    seen.num_tokens = json.loads(last[len(b"data: "):])["usage"]["completion_tokens"]
    return seen


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
