#!/usr/bin/env python3
"""Models and logits from Hugging Face transformers, to hold Troupe against.

    transformers_oracle.py make DIR           needs transformers and torch: writes model directories
                                              of several shapes and what transformers says of them
    transformers_oracle.py check DIR TROUPE   needs only Python: runs `TROUPE score` and compares

The two halves may run on different machines.
"""
import json
import math
import pathlib
import subprocess
import sys

NUM_GREEDY = 24
COMMON = dict(vocab_size=512, bos_token_id=1, eos_token_id=2, tie_word_embeddings=False)
SHAPES = {
    "untied": dict(hidden_size=192, intermediate_size=416, num_hidden_layers=3,
                   num_attention_heads=6, num_key_value_heads=2),
    "tied_group_of_7": dict(hidden_size=448, intermediate_size=512, num_hidden_layers=2,
                            num_attention_heads=14, num_key_value_heads=2,
                            tie_word_embeddings=True),
    "yarn": dict(hidden_size=256, intermediate_size=352, num_hidden_layers=3,
                 num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=256,
                 rope_parameters=dict(rope_type="yarn", factor=4.0, rope_theta=1e6,
                                      original_max_position_embeddings=64)),
    "head_128": dict(hidden_size=256, intermediate_size=320, num_hidden_layers=2,
                     num_attention_heads=2, num_key_value_heads=1, rms_norm_eps=1e-5),
}
DTYPES = {"float32": 2e-4, "bfloat16": 3e-2}


def make(root):
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM
    for number, (name, shape) in enumerate(SHAPES.items()):
        torch.manual_seed(100 + number)
        model = Qwen2ForCausalLM(
            Qwen2Config(**{**COMMON, **shape}, attn_implementation="eager")).eval()
        for parameter in model.parameters():  # away from the symmetric start
            parameter.data.add_(torch.randn_like(parameter) * 0.02)
        for dtype in DTYPES:
            directory = root / f"{name}_{dtype}"
            typed = model.to(getattr(torch, dtype))
            typed.save_pretrained(directory)
            cases = [expect(typed, torch.randint(3, 512, (1, n))) for n in (1, 5, 33, 150)]
            (directory / "expected.jsonl").write_text("".join(json.dumps(c) + "\n" for c in cases))


def expect(model, ids):
    import torch
    with torch.no_grad():
        logits = model(ids).logits[0].float()
        top = logits.topk(16)
        sequence, greedy, gaps = ids, [], []
        for _ in range(NUM_GREEDY):
            last = model(sequence).logits[0, -1].float()
            best = last.topk(2).values
            gaps.append((best[0] - best[1]).item())
            greedy.append(int(last.argmax()))
            sequence = torch.cat([sequence, torch.tensor([[greedy[-1]]])], dim=1)
    return dict(ids=ids[0].tolist(), lse=logits.logsumexp(-1).tolist(),
                top_ids=top.indices.tolist(), top_logits=top.values.tolist(),
                greedy=greedy, gaps=gaps)


def check(root, troupe):
    worst = {}
    for directory in sorted(root.iterdir()):
        dtype = directory.name.rsplit("_", 1)[1]
        expected = [json.loads(line) for line in (directory / "expected.jsonl").open()]
        for ranks in (1, 2):
            key = f"{directory.name} tp={ranks}"
            worst[key] = compare(troupe, directory, dtype, ranks, expected)
    for key, (error, num_greedy) in worst.items():
        print(f"{key}: largest error {error:.2e}, {num_greedy} greedy tokens equal")


def compare(troupe, directory, dtype, ranks, expected):
    lines = "".join(json.dumps({"ids": case["ids"]}) + "\n" for case in expected)
    run = subprocess.run([troupe, "score", str(directory), "--dtype", dtype, "--greedy",
                          str(NUM_GREEDY), "--tensor-parallel-size", str(ranks)],
                         input=lines, capture_output=True, text=True)
    if run.returncode:
        if ranks > 1 and "key-value" in run.stderr:
            return 0.0, 0
        raise SystemExit(f"{directory.name}: {run.stderr}")
    error, num_equal = 0.0, 0
    for case, line in zip(expected, run.stdout.splitlines(), strict=True):
        got = json.loads(line)
        for position, lse in enumerate(case["lse"]):
            error = max(error, abs(lse - got["lse"][position]))
            ours = dict(zip(got["top_ids"][position], got["top_logits"][position]))
            for token, logit in zip(case["top_ids"][position], case["top_logits"][position]):
                if token in ours:
                    error = max(error, abs(logit - ours[token]))
        assert math.isfinite(error)
        tie = 1e-3 if dtype == "float32" else 5e-2
        for ours, theirs, gap in zip(got["greedy"], case["greedy"], case["gaps"]):
            if ours != theirs:
                assert gap <= tie, (directory.name, got["greedy"], case["greedy"], gap)
                break  # a tie: from here on the texts differ
            num_equal += 1
    assert error <= DTYPES[dtype], (directory.name, ranks, error)
    return error, num_equal


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "make":
        make(pathlib.Path(sys.argv[2]))
    elif len(sys.argv) == 4 and sys.argv[1] == "check":
        check(pathlib.Path(sys.argv[2]), sys.argv[3])
    else:
        raise SystemExit(__doc__)
