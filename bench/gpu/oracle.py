#!/usr/bin/env python3
"""Holds logits that gpu_engine wrote against transformers with the same dummy weights.

    oracle.py LOGITS SHAPE

The weights are made as src/model/dummy_weights.hpp says, on the GPU. Prints findings, or one line
"skipped: why" where torch or transformers are missing.
"""
import struct
import sys

from report import SHAPES

MASK = (1 << 64) - 1


def mix(x):
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def key_of(seed, name):
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) & MASK
    return mix((seed + mix(h)) & MASK)


def signed(x):
    return x - (1 << 64) if x >> 63 else x


def dummy(torch, name, shape, device):
    """The tensor's values in bfloat16. 64-bit products wrap in torch as they do in C++."""
    if name.endswith("norm.weight"):
        return torch.ones(shape, dtype=torch.bfloat16, device=device)
    count = 1
    for size in shape:
        count *= size

    def shifted(x, bits):  # without the sign
        return (x >> bits) & ((1 << (64 - bits)) - 1)

    x = torch.arange(1, count + 1, dtype=torch.int64, device=device)
    x = x * signed(0x9E3779B97F4A7C15) + signed(key_of(1, name))
    x = (x ^ shifted(x, 30)) * signed(0xBF58476D1CE4E5B9)
    x = (x ^ shifted(x, 27)) * signed(0x94D049BB133111EB)
    x = x ^ shifted(x, 31)
    total = (x & 0xFFFF) + (shifted(x, 16) & 0xFFFF) + (shifted(x, 32) & 0xFFFF) + shifted(x, 48)
    values = (total - 131070).to(torch.float32) * torch.tensor(5.2858e-07, device=device)
    return values.to(torch.bfloat16).reshape(shape)


def make_model(torch, transformers, shape, dtype, device):
    s = SHAPES[shape]
    config = transformers.Qwen2Config(
        hidden_size=s["hidden"], intermediate_size=s["features"], num_hidden_layers=s["layers"],
        num_attention_heads=s["q"], num_key_value_heads=s["kv"], head_dim=s["dim"],
        vocab_size=s["vocab"], tie_word_embeddings=shape == "0.5b",
        max_position_embeddings=32768, rope_theta=1e6, rms_norm_eps=1e-6,
        attn_implementation="eager")
    with torch.device(device):
        model = transformers.Qwen2ForCausalLM(config).to(dtype).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(dummy(torch, name, tuple(parameter.shape), device).to(dtype))
    return model


def main():
    try:
        import numpy
        import torch
        import transformers
    except ImportError as error:
        print(f"skipped: {error}")
        return 0
    device = "cuda" if torch.cuda.is_available() else "cpu"
    data = open(sys.argv[1], "rb").read()
    (count,) = struct.unpack_from("<I", data)
    tokens = numpy.frombuffer(data, "<i4", count, 4).astype("int64")
    ours = torch.tensor(numpy.frombuffer(data, "<f4", offset=4 + 4 * count)).reshape(count, -1)
    ids = torch.tensor(tokens[None], device=device)
    truth, failed = None, False
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, {count} rows, "
          f"on {device}\n")
    print("| logits | largest difference / largest logit | same best token | "
          "where the gap is over 0.05 |\n|---|---|---|---|")
    for dtype in (torch.float32, torch.bfloat16):
        torch.backends.cuda.matmul.allow_tf32 = False
        model = make_model(torch, transformers, sys.argv[2], dtype, device)
        with torch.no_grad():
            theirs = model(ids).logits[0].float().cpu()
        del model
        if truth is None:
            truth = theirs
        name = str(dtype).removeprefix("torch.")
        failed |= compare(f"ours, theirs in {name}", ours, theirs, truth)
    compare("theirs in bfloat16, in float32", theirs, truth, truth)
    return 1 if failed else 0


def compare(name, a, b, truth):
    """Prints a row; True where they differ by more than bfloat16 may."""
    distance = ((a - b).abs().max() / truth.abs().max()).item()
    same = a.argmax(-1) == b.argmax(-1)
    best = truth.topk(2, dim=-1).values
    clear = (best[:, 0] - best[:, 1]) > 0.05
    agreed = same[clear].float().mean().item() if clear.any() else 1.0
    print(f"| {name} | {distance:.2e} | {100 * same.float().mean().item():.1f} % | "
          f"{100 * agreed:.1f} % of {int(clear.sum())} |")
    return distance > 3e-2


if __name__ == "__main__":
    sys.exit(main())
