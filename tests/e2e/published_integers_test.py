"""Checkpoints as AutoAWQ and AutoGPTQ publish them, against the same weights as float32.

`--quantization none` must give the very same numbers; as integers, the logits are as near as inputs
of eight bits allow. What is not served is refused in a sentence that names it.
"""
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from troupe_server import BINARY, DEMO, PLAIN_ENVIRONMENT

try:
    import numpy as np
except ModuleNotFoundError:
    print("SKIPPED: numpy is missing, so published integers have no second opinion")
    sys.exit(77)

from small_checkpoint import Linear, Model, write_model

AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True, "version": "gemm",
       "modules_to_not_convert": None}
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": False, "sym": True,
        "damp_percent": 0.01, "static_groups": False, "true_sequential": True,
        "model_name_or_path": None, "model_file_base_name": "model"}
LINE = json.dumps({"ids": [(7 * i * i + 3) % 331 for i in range(90)]}) + "\n"


def run_score(directory, *flags):
    return subprocess.run([BINARY, "score", str(directory), "--dtype", "float32", *map(str, flags)],
                          env=PLAIN_ENVIRONMENT, input=LINE, capture_output=True, text=True,
                          check=False)


def score(directory, *flags):
    done = run_score(directory, *flags)
    assert done.returncode == 0, (directory, flags, done.stderr)
    return json.loads(done.stdout)


def logit_error(got, expected):
    """Of the logits that both list, relative to the spread of all."""
    distances, values = [], []
    for row in range(len(expected["argmax"])):
        logits = dict(zip(got["top_ids"][row], got["top_logits"][row]))
        for token, logit in zip(expected["top_ids"][row], expected["top_logits"][row]):
            values.append(logit)
            if token in logits:
                distances.append(logits[token] - logit)
    assert len(distances) > 0.8 * len(values), (len(distances), len(values))
    return float(np.sqrt(np.mean(np.square(distances))) / np.std(values))


def check(root, name, model, make, config):
    expected = score(write_model(root / f"{name}-floats", model.floats()))
    directory = write_model(root / name, model.parts(make), quantization_config=config)
    floats = score(directory, "--quantization", "none")
    assert floats == expected, f"{name}: other numbers than those of its floats"
    integers = score(directory)
    error = logit_error(integers, expected)
    same = np.mean(np.equal(integers["argmax"], expected["argmax"]))
    print(f"{name}: logits off by {error:.4f} of their spread, argmax the same in {same:.3f}")
    assert 0 < error < 0.02 and same > 0.95, (name, error, same)
    assert score(directory, "--threads", 1) == integers, name
    return directory


def check_ranks(directory):
    """Two ranks cut down_proj's groups of 128, but not those of o_proj."""
    refused = run_score(directory, "--tensor-parallel-size", 2)
    assert refused.returncode == 1, refused
    assert "cuts the checkpoint's groups of 128 inputs of down_proj" in refused.stderr, refused
    score(directory, "--tensor-parallel-size", 2, "--quantization", "none")
    twice = run_score(directory, "--quantization", "int8")
    assert twice.returncode == 1 and "quantised already (awq, 4 bits)" in twice.stderr, twice
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(DEMO / name, directory)
    plan = subprocess.run([BINARY, "serve", str(directory), "--plan", "--device", "null"],
                          env=PLAIN_ENVIRONMENT, capture_output=True, text=True, check=False)
    assert plan.returncode == 1 and "quantised weights" in plan.stderr, plan


def check_shares(root):
    """Where ranks take whole groups, they give what one rank gives, up to the order of sums."""
    model = Model(5, 4, intermediate=512)
    directory = write_model(root / "shares", model.parts(Linear.awq), quantization_config=AWQ,
                            intermediate_size=512)
    error = logit_error(score(directory, "--tensor-parallel-size", 2), score(directory))
    assert 0 < error < 0.02, error


def shuffled(linear):
    out = linear.gptq()
    out["g_idx"] = out["g_idx"][::-1].copy()
    return out


def without_zeros(linear):
    return {name: part for name, part in linear.gptq().items() if name != "qzeros"}


def with_bias(linear):
    return {**linear.gptq(), "bias": np.ones(linear.integers.shape[1], np.float16)}


def with_wide_scales(linear):
    return {**linear.gptq(), "scales": linear.scales.astype(np.float32)}


def check_refusals(root, model):
    for name, make, expected in [
            ("act-order", shuffled, "g_idx puts input 0 into group 1, expected 0: act-order"),
            ("zeros", without_zeros, "qzeros of shape [2, 32] is missing"),
            ("bias", with_bias, "self_attn.o_proj.bias is not zero, but the model has no such"),
            ("scales", with_wide_scales, "of float32, expected [2, 256] of float16"),
            ("layout", Linear.awq, "has shape [256, 32] of int32, expected [32, 256] of int32")]:
        directory = write_model(root / f"bad-{name}", model.parts(make), quantization_config=GPTQ)
        refused = run_score(directory)
        assert refused.returncode == 1 and expected in refused.stderr, (name, refused.stderr)
    directory = write_model(root / "bad-int32", {
        **model.floats(), "model.norm.weight": np.ones(256, np.int32)})
    refused = run_score(directory)
    assert "model.norm.weight is of int32, expected floats" in refused.stderr, refused


def main():
    with tempfile.TemporaryDirectory() as where:
        root = Path(where)
        awq = check(root, "awq", Model(1, 4), Linear.awq, AWQ)
        check_ranks(awq)
        model = Model(2, 4, lowest_zero=1)
        check(root, "gptq-int4", model, Linear.gptq, GPTQ)
        check(root, "gptq-v2", Model(3, 4), lambda linear: linear.gptq(less=0),
              {**GPTQ, "checkpoint_format": "gptq_v2", "sym": False})
        check(root, "gptq-int8", Model(4, 8, lowest_zero=1), Linear.gptq, {**GPTQ, "bits": 8})
        check_shares(root)
        check_refusals(root, model)


if __name__ == "__main__":
    main()
