"""Small checkpoints of integers, written and taken back to floats from the formats' definition:

    weight[out, in] = scales[group, out] * (integer[in, out] - zero[group, out]),  group = in // 128

AWQ   words of eight neighbouring outputs, from the lowest bits 0, 2, 4, 6, 1, 3, 5, 7
GPTQ  words of neighbouring inputs; zeros in words of neighbouring outputs, each stored less one
"""
import json
import struct

import numpy as np

GROUP = 128
CONFIG = {
    "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "hidden_act": "silu",
    "hidden_size": 256, "intermediate_size": 384, "num_attention_heads": 4,
    "num_key_value_heads": 2, "num_hidden_layers": 2, "vocab_size": 331,
    "max_position_embeddings": 512, "rms_norm_eps": 1e-6, "rope_theta": 1e6,
    "tie_word_embeddings": True, "torch_dtype": "float16"}
AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]
KINDS = {np.dtype(np.float16): "F16", np.dtype(np.float32): "F32", np.dtype(np.int32): "I32"}


def write_safetensors(path, tensors):
    header, data = {}, []
    at = 0
    for name, tensor in sorted(tensors.items()):
        raw = np.ascontiguousarray(tensor).tobytes()
        header[name] = {"dtype": KINDS[tensor.dtype], "shape": list(tensor.shape),
                        "data_offsets": [at, at + len(raw)]}
        data.append(raw)
        at += len(raw)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data))


def packed(columns, bits, order):
    """[rows, n] integers into [rows, n * bits / 32] words."""
    per_word = 32 // bits
    parts = columns.reshape(columns.shape[0], -1, per_word).astype(np.uint32)
    out = np.zeros(parts.shape[:2], np.uint32)
    for place, index in enumerate(order):
        out |= parts[:, :, index] << np.uint32(place * bits)
    return out.view(np.int32)


class Linear:
    """Random integers of one layer, [in, out]."""

    def __init__(self, random, num_out, num_in, bits, lowest_zero):
        groups = -(-num_in // GROUP)
        self.bits = bits
        self.integers = random.integers(0, 2**bits, (num_in, num_out))
        self.zeros = random.integers(lowest_zero, 2**bits, (groups, num_out))
        steps = random.uniform(0.2, 1.0, (groups, num_out)) * 0.15 / 2**bits
        self.scales = steps.astype(np.float16)

    def weight(self):
        group = np.arange(len(self.integers)) // GROUP
        away = (self.integers - self.zeros[group]).astype(np.float32)
        return (self.scales[group].astype(np.float32) * away).T

    def awq(self):
        return {"qweight": packed(self.integers, 4, AWQ_ORDER),
                "qzeros": packed(self.zeros, 4, AWQ_ORDER), "scales": self.scales}

    def gptq(self, less=1):
        order = range(32 // self.bits)
        stored = (self.zeros - less) % 2**self.bits
        return {"qweight": np.ascontiguousarray(packed(self.integers.T, self.bits, order).T),
                "qzeros": packed(stored, self.bits, order), "scales": self.scales,
                "g_idx": (np.arange(len(self.integers)) // GROUP).astype(np.int32),
                "bias": np.zeros(self.integers.shape[1], np.float16)}


class Model:
    """Random weights: what is not of integers, and every layer's Linear by its name."""

    def __init__(self, seed, bits, lowest_zero=0, intermediate=384):
        random = np.random.default_rng(seed)
        shapes = {"self_attn.q_proj": (256, 256), "self_attn.k_proj": (128, 256),
                  "self_attn.v_proj": (128, 256), "self_attn.o_proj": (256, 256),
                  "mlp.gate_proj": (intermediate, 256), "mlp.up_proj": (intermediate, 256),
                  "mlp.down_proj": (256, intermediate)}
        self.plain = {"model.embed_tokens.weight": self.small(random, 331, 256, spread=0.5),
                      "model.norm.weight": self.small(random, 256) + np.float16(1)}
        self.linears = {}
        for layer in range(2):
            prefix = f"model.layers.{layer}."
            for name in ("input_layernorm", "post_attention_layernorm"):
                self.plain[f"{prefix}{name}.weight"] = self.small(random, 256) + np.float16(1)
            for name, shape in shapes.items():
                self.linears[prefix + name] = Linear(random, *shape, bits, lowest_zero)
                if name[-6] in "qkv":
                    self.plain[f"{prefix}{name}.bias"] = self.small(random, shape[0])

    @staticmethod
    def small(random, *shape, spread=0.1):
        return (random.standard_normal(shape) * spread).astype(np.float16)

    def floats(self):
        weights = {f"{name}.weight": linear.weight() for name, linear in self.linears.items()}
        return {**self.plain, **weights}

    def parts(self, make):
        """The checkpoint whose layers are written by `make`; real biases win over empty ones."""
        out = {f"{name}.{part}": tensor for name, linear in self.linears.items()
               for part, tensor in make(linear).items()}
        return {**out, **self.plain}


def write_model(directory, tensors, **config):
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps({**CONFIG, **config}))
    write_safetensors(directory / "model.safetensors", tensors)
    return directory
