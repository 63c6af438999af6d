"""What the fleet's benchmarks share: the shape of a 7B model, one streamed request, its times."""
import dataclasses
import http.client
import json
import pathlib
import shutil
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from troupe_server import DEMO  # noqa: E402

SHAPE_7B = dict(hidden_size=3584, intermediate_size=18944, num_hidden_layers=28,
                num_attention_heads=28, num_key_value_heads=4, vocab_size=152064,
                max_position_embeddings=16384, tie_word_embeddings=False)
REPLICA_4090 = ["--device", "sim", "--sim-gpu", "rtx4090", "--max-num-seqs", 256,
                "--max-num-batched-tokens", 2048]


def make_shape(folder):
    """The demo's tokenizer with the shape of a 7B: --device sim reads no weights."""
    model = pathlib.Path(folder) / "7b"
    shutil.copytree(DEMO, model, ignore=shutil.ignore_patterns("*.safetensors"))
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, **SHAPE_7B}))
    return model


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
