"""--device cuda and auto on a machine without a GPU: one refuses, the other says so and goes on.

On a machine with one they compute there, and that is what is looked at instead.
"""
import json
import subprocess

from troupe_server import BINARY, DEMO, PLAIN_ENVIRONMENT, Server


def start(*flags):
    return subprocess.run([BINARY, "serve", str(DEMO), *flags], env=PLAIN_ENVIRONMENT,
                          capture_output=True, text=True, check=False, timeout=120)


def check_refusals():
    """What only the CPU does is refused with its flag, GPU or not."""
    for flags in (["--dtype", "float32"], ["--quantization", "int4"],
                  ["--kv-cache-dtype", "int8"]):
        refused = start("--device", "cuda", "--plan", *flags)
        assert refused.returncode == 1 and flags[0] in refused.stderr, refused
    refused = start("--device", "cpu", "--plan", "--kv-cache-dtype", "fp8")
    assert refused.returncode == 1 and "--kv-cache-dtype" in refused.stderr, refused


def check_without_gpu(refused):
    reasons = ("No GPU can be used: ", "This program was built without CUDA.")
    assert refused.returncode == 1, refused
    assert any(reason in refused.stderr for reason in reasons), refused
    with Server("--device", "auto") as server:
        notes = [line for line in server.log if "--device auto: the CPU computes: " in line]
        assert len(notes) == 1 and any(r in notes[0] for r in reasons), server.log
        assert json.loads(server.get("/health")[1])["device"] == "cpu"
        status, answer = server.post({"prompt": "Once upon a time", "max_tokens": 4, "seed": 1})
        assert status == 200 and answer["usage"]["completion_tokens"] == 4, answer
    asked = start("--device", "auto", "--dtype", "float32", "--plan")
    assert asked.returncode == 0, asked


def check_with_gpu():
    with Server("--device", "auto") as server:
        assert json.loads(server.get("/health")[1])["device"].startswith("cuda: 1 x ")
        status, answer = server.post({"prompt": "Once upon a time", "max_tokens": 4, "seed": 1})
        assert status == 200 and answer["usage"]["completion_tokens"] == 4, answer


def main():
    check_refusals()
    tried = start("--device", "cuda", "--plan")
    if tried.returncode == 0:
        check_with_gpu()
    else:
        check_without_gpu(tried)


if __name__ == "__main__":
    main()
