"""Devices that compute nothing: labelled everywhere, no weights needed, the same promises.

`--device null` answers at once, `--device sim` in the time of a GPU; both draw the same tokens.
"""
import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

import same_answer_test
from troupe_server import BINARY, DEMO, PLAIN_ENVIRONMENT, Server

BODY = {"prompt": "Once upon a time", "max_tokens": 24, "seed": 5}
FOUR_CARDS = ["--device", "sim", "--sim-gpu", "rtx4090d", "--tensor-parallel-size", 2]


def check_label(server, label):
    for path in ("/health", "/ready"):
        assert json.loads(server.get(path)[1])["device"] == label, server.get(path)
    assert json.loads(server.get("/server_info")[1])["model"]["device"] == label
    metrics = server.get("/metrics")[1]
    assert f'troupe_device_info{{model_name="demo",engine="0",device="{label}"}} 1' in metrics, \
        metrics[:2000]


def check_labels():
    with Server("--kv-cache-dtype", "int8") as server:
        check_label(server, "cpu")
        memory = json.loads(server.get("/server_info")[1])["memory"]
        assert memory["kv_cache_dtype"] == "int8", memory
        assert 'cache_dtype="int8"' in server.get("/metrics")[1]
    with Server("--device", "null") as server:
        check_label(server, "null")
        assert any("no model computes here" in line for line in server.log), server.log
    with Server(*FOUR_CARDS) as server:
        check_label(server, "sim: 2 x rtx4090d over pcie")


def check_without_weights():
    """Null and sim need the tokenizer and the configuration alone, and answer the same."""
    with tempfile.TemporaryDirectory() as folder:
        bare = pathlib.Path(folder) / "demo"
        shutil.copytree(DEMO, bare, ignore=shutil.ignore_patterns("*.safetensors"))
        texts = set()
        for flags in (["--device", "null"], FOUR_CARDS):
            with Server(*flags, model=bare) as server:
                status, answer = server.post(BODY)
                assert status == 200 and answer["usage"]["completion_tokens"] == 24, answer
                assert answer["finish_reason"] == "length"
                texts.add(answer["text"])
        assert len(texts) == 1, texts


def check_load_time():
    """What loading would take delays the start, and nothing after it."""
    began = time.monotonic()
    with Server(*FOUR_CARDS, "--sim-load-time", "1500ms") as server:
        assert time.monotonic() - began >= 1.5
        assert server.post(BODY)[0] == 200
    refused = subprocess.run([BINARY, "serve", str(DEMO), "--device", "sim", "--sim-load-time",
                              "-3s"], env=PLAIN_ENVIRONMENT, capture_output=True, text=True,
                             check=False)
    assert refused.returncode == 2 and "--sim-load-time" in refused.stderr, refused


def check_form():
    """A constrained answer keeps to its form and comes to an end."""
    with Server("--device", "null") as server:
        for seed in range(8):
            status, answer = server.post({"prompt": "Which?", "regex": "(red|green) [0-9]{3}",
                                          "max_tokens": 64, "seed": seed})
            assert status == 200 and answer["finish_reason"] == "stop", answer
            colour, number = answer["text"].split(" ")
            assert colour in ("red", "green") and len(number) == 3 and number.isdigit(), answer


def check_memory():
    """The simulated GPU's memory bounds the plan as its own would."""
    def plan(*flags, device="sim"):
        return subprocess.run([BINARY, "serve", str(DEMO), "--device", device, "--plan", *flags],
                              env=PLAIN_ENVIRONMENT, capture_output=True, text=True, check=False)
    small = plan("--sim-gpu", "rtx4090")
    large = plan("--sim-gpu", "h200")
    assert "of 22107.6 MiB" in small.stdout, small
    assert "of 129393.9 MiB" in large.stdout, large
    refused = plan("--kv-cache-memory-bytes", "30GiB")
    assert refused.returncode == 1 and "22107.6 MiB" in refused.stderr, refused
    unknown = plan("--sim-gpu", "rtx9999")
    assert unknown.returncode == 2 and "h200" in unknown.stderr, unknown
    for flag, word in (("--quantization", "int4"), ("--kv-cache-dtype", "int8")):
        refused = plan(flag, word)  # the CPU's
        assert refused.returncode == 1 and flag in refused.stderr, refused
    for flag, word in (("--quantization", "int8"), ("--kv-cache-dtype", "fp8")):
        refused = plan(flag, word, device="null")
        assert refused.returncode == 1 and flag in refused.stderr, refused

    def numbers(flag, pattern, *words):
        return [float(re.search(pattern, plan(flag, word).stdout)[1]) for word in words]
    halves, pages = numbers("--kv-cache-dtype", r"(\d+) bytes each", "bf16", "fp8")
    # A row of a head: 64 bytes and an exponent where there were 128 bytes.
    assert pages * 128 == halves * 65, (pages, halves)
    plain, integers = numbers("--quantization", r"([\d.]+) MiB  weights", "none", "int8")
    assert 0.49 < integers / plain < 0.53, (integers, plain)


def main():
    check_labels()
    check_without_weights()
    check_form()
    check_load_time()
    check_memory()
    same_answer_test.check(["--device", "null"], same_answer_test.SCHEDULES[:2])
    # With several io threads every connection has a strand of its own.
    same_answer_test.check(["--device", "null", "--io-threads", 3], same_answer_test.SCHEDULES[1:2])
    same_answer_test.check(FOUR_CARDS, same_answer_test.SCHEDULES[1:2])


if __name__ == "__main__":
    main()
