#!/usr/bin/env python3
"""The server on this machine's GPU over HTTP: one row for each number of clients.

    serving_table.py TROUPE SHAPE

The model is made of dummy weights of the shape and the demo model's tokenizer, which samples among
its own ids alone. Prints rows for bench/gpu/run: clients, mean TTFT, tokens/s, GPU memory, stable.
"""
import asyncio
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "bench" / "gpu")]
os.environ["TROUPE_BINARY"] = sys.argv[1]
import report  # noqa: E402
import serving  # noqa: E402

CLIENTS = [1, 4, 8, 16, 32, 64, 128, 256]
PROMPT = "The quick reader asks the small model for one more story about rivers and rain. " * 24


def make_model(folder, shape):
    """The demo's words, the other shape's numbers."""
    s = report.SHAPES[shape]
    shutil.copytree(serving.DEMO, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config.update(hidden_size=s["hidden"], intermediate_size=s["features"],
                  num_hidden_layers=s["layers"], num_attention_heads=s["q"],
                  num_key_value_heads=s["kv"], head_dim=s["dim"], vocab_size=s["vocab"],
                  tie_word_embeddings=shape == "0.5b", max_position_embeddings=8192)
    path.write_text(json.dumps(config))


def gpu_memory_mib():
    done = subprocess.run(["nvidia-smi", "--query-gpu=memory.used",
                           "--format=csv,noheader,nounits"],
                          capture_output=True, text=True, check=False)
    return done.stdout.split("\n")[0].strip() or "unknown"


def measure(server, clients):
    def make_body(i):
        return {"prompt": f"{i} {PROMPT}", "max_tokens": 128, "stream": True, "ignore_eos": True,
                "seed": i}
    results, seconds = asyncio.run(serving.load(server.port, clients, max(4, 2 * clients),
                                                make_body))
    good = [r for r in results if r]
    mean = statistics.mean(r[0] for r in good) * 1000 if good else float("nan")
    rate = sum(r[2] for r in good) / seconds
    stable = "yes" if len(good) == len(results) and server.get("/ready")[0] == 200 else "no"
    print("serving", clients, f"{mean:.0f}", f"{rate:.0f}", gpu_memory_mib(), stable, sep="\t",
          flush=True)


def main():
    with tempfile.TemporaryDirectory() as folder:
        model = pathlib.Path(folder) / sys.argv[2]
        make_model(model, sys.argv[2])
        with serving.Server("--device", "cuda", "--load-format", "dummy", "--max-num-seqs", 256,
                            "--max-num-batched-tokens", 2048, model=model) as server:
            for clients in CLIENTS:
                measure(server, clients)


if __name__ == "__main__":
    main()
