#!/usr/bin/env python3
"""A model directory of Qwen2.5-0.5B's shape with seeded random weights, for speed alone.

    make_model.py TOKENIZER_DIR OUT_DIR [--seed N] [--set hidden_size=128 ...]

TOKENIZER_DIR has the tokenizer.json and tokenizer_config.json of a Qwen2.5 model. Needs nothing but
Python: a weight's low byte is random, its high byte one of two, so that it is +-0.008 to 0.031.
"""
import argparse
import json
import pathlib
import random
import shutil

CONFIG = {
    "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "torch_dtype": "bfloat16",
    "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24,
    "num_attention_heads": 14, "num_key_value_heads": 2, "vocab_size": 151936,
    "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0,
    "tie_word_embeddings": True, "bos_token_id": 151643, "eos_token_id": 151645,
}
HIGH_BYTES = bytes(0xBC if i % 2 else 0x3C for i in range(256))
ONE = b"\x80\x3f"  # bfloat16


def shapes(config):
    """Every tensor's name and shape, as Hugging Face names them."""
    hidden, features = config["hidden_size"], config["intermediate_size"]
    head = hidden // config["num_attention_heads"]
    kv = head * config["num_key_value_heads"]
    yield "model.embed_tokens.weight", [config["vocab_size"], hidden]
    for i in range(config["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        yield layer + "input_layernorm.weight", [hidden]
        for name, size in (("q", hidden), ("k", kv), ("v", kv)):
            yield layer + f"self_attn.{name}_proj.weight", [size, hidden]
            yield layer + f"self_attn.{name}_proj.bias", [size]
        yield layer + "self_attn.o_proj.weight", [hidden, hidden]
        yield layer + "post_attention_layernorm.weight", [hidden]
        yield layer + "mlp.gate_proj.weight", [features, hidden]
        yield layer + "mlp.up_proj.weight", [features, hidden]
        yield layer + "mlp.down_proj.weight", [hidden, features]
    yield "model.norm.weight", [hidden]


def num_elements(shape):
    return shape[0] * (shape[1] if len(shape) > 1 else 1)


def weights(chance, name, count):
    if name.endswith("norm.weight"):
        return ONE * count
    out = bytearray(2 * count)
    out[0::2] = chance.randbytes(count)
    out[1::2] = chance.randbytes(count).translate(HIGH_BYTES)
    return out


def write_safetensors(path, config, seed):
    header, end = {}, 0
    for name, shape in shapes(config):
        begin, end = end, end + 2 * num_elements(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    chance = random.Random(seed)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, shape in shapes(config):
            file.write(weights(chance, name, num_elements(shape)))


def make_model(tokenizer_dir, out_dir, seed=0, changes=()):
    config = {**CONFIG, **dict(changes)}
    out = pathlib.Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(pathlib.Path(tokenizer_dir) / name, out / name)
    (out / "config.json").write_text(json.dumps(config, indent=1))
    write_safetensors(out / "model.safetensors", config, seed)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizer_dir")
    parser.add_argument("out_dir")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=NUMBER")
    arguments = parser.parse_args()
    changes = {key: int(value) for key, value in (word.split("=") for word in arguments.set)}
    make_model(arguments.tokenizer_dir, arguments.out_dir, arguments.seed, changes)


if __name__ == "__main__":
    main()
