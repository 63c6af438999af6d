#!/usr/bin/env python3
"""Qwen2 weights from Hugging Face's safetensors to llama.cpp's GGUF, bit for bit.

    gguf.py MODEL_DIR OUT.gguf

bfloat16 matrices stay bfloat16; norms and biases become float32, as llama.cpp wants them. Needs
nothing but Python. The form: github.com/ggml-org/ggml, docs/gguf.md.
"""
import json
import pathlib
import struct
import sys

ALIGNMENT = 32
UINT32, FLOAT32, STRING, ARRAY, INT32 = 4, 6, 8, 9, 5  # kinds of values
F32, BF16, BF16_FILE = 0, 30, 32  # kinds of tensors, and of a file of them
NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5  # kinds of tokens

LAYER_NAMES = {
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
OTHER_NAMES = {"model.embed_tokens": "token_embd", "model.norm": "output_norm",
               "lm_head": "output"}


def their_name(name):
    stem, kind = name.rsplit(".", 1)
    if stem in OTHER_NAMES:
        return f"{OTHER_NAMES[stem]}.{kind}"
    _, _, layer, rest = stem.split(".", 3)
    return f"blk.{layer}.{LAYER_NAMES[rest]}.{kind}"


def string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def entry(key, kind, value):
    pack = {UINT32: "<I", INT32: "<i", FLOAT32: "<f"}
    def packed(item, of):
        return string(item) if of == STRING else struct.pack(pack[of], item)
    head = string(key) + struct.pack("<I", kind if isinstance(kind, int) else ARRAY)
    if isinstance(kind, int):
        return head + packed(value, kind)
    return head + struct.pack("<IQ", kind[0], len(value)) + b"".join(
        packed(item, kind[0]) for item in value)


def vocabulary(model_dir, size):
    """Tokens by id, their kinds, and the merges."""
    file = json.loads((model_dir / "tokenizer.json").read_text(encoding="utf-8"))
    tokens, kinds = [f"[PAD{i}]" for i in range(size)], [UNUSED] * size
    for token, number in file["model"]["vocab"].items():
        tokens[number], kinds[number] = token, NORMAL
    for added in file.get("added_tokens", []):
        tokens[added["id"]] = added["content"]
        kinds[added["id"]] = CONTROL if added.get("special") else USER_DEFINED
    merges = [m if isinstance(m, str) else " ".join(m) for m in file["model"]["merges"]]
    return tokens, kinds, merges


def metadata(model_dir):
    config = json.loads((model_dir / "config.json").read_text())
    tokens, kinds, merges = vocabulary(model_dir, config["vocab_size"])
    eos = config["eos_token_id"]
    return [
        entry("general.architecture", STRING, "qwen2"),
        entry("general.name", STRING, model_dir.name),
        entry("general.file_type", UINT32, BF16_FILE),
        entry("qwen2.block_count", UINT32, config["num_hidden_layers"]),
        entry("qwen2.context_length", UINT32, config["max_position_embeddings"]),
        entry("qwen2.embedding_length", UINT32, config["hidden_size"]),
        entry("qwen2.feed_forward_length", UINT32, config["intermediate_size"]),
        entry("qwen2.attention.head_count", UINT32, config["num_attention_heads"]),
        entry("qwen2.attention.head_count_kv", UINT32, config["num_key_value_heads"]),
        entry("qwen2.rope.freq_base", FLOAT32, config["rope_theta"]),
        entry("qwen2.attention.layer_norm_rms_epsilon", FLOAT32, config["rms_norm_eps"]),
        entry("tokenizer.ggml.model", STRING, "gpt2"),
        entry("tokenizer.ggml.pre", STRING, "qwen2"),
        entry("tokenizer.ggml.tokens", (STRING,), tokens),
        entry("tokenizer.ggml.token_type", (INT32,), kinds),
        entry("tokenizer.ggml.merges", (STRING,), merges),
        entry("tokenizer.ggml.eos_token_id", UINT32, eos[0] if isinstance(eos, list) else eos),
    ]


def to_float32(bfloat16):
    out = bytearray(2 * len(bfloat16))
    out[2::4], out[3::4] = bfloat16[0::2], bfloat16[1::2]
    return bytes(out)


def read_tensors(model_dir):
    """Name, shape and bytes of every tensor of every file."""
    for path in sorted(model_dir.glob("*.safetensors")):
        with open(path, "rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(size))
            for name, facts in header.items():
                if name == "__metadata__":
                    continue
                if facts["dtype"] != "BF16":
                    raise SystemExit(f"{path}: {name} is {facts['dtype']}, expected BF16")
                begin, end = facts["data_offsets"]
                file.seek(8 + size + begin)
                yield name, facts["shape"], file.read(end - begin)


def write_gguf(model_dir, out_path):
    model_dir = pathlib.Path(model_dir)
    entries, infos, places, offset = metadata(model_dir), [], [], 0
    for name, shape, data in read_tensors(model_dir):
        is_vector = len(shape) == 1
        size = len(data) * (2 if is_vector else 1)
        infos.append(string(their_name(name)) + struct.pack("<I", len(shape)) +
                     b"".join(struct.pack("<Q", n) for n in reversed(shape)) +
                     struct.pack("<IQ", F32 if is_vector else BF16, offset))
        places.append(offset)
        offset += size + -size % ALIGNMENT
    head = b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(entries)) + b"".join(entries + infos)
    head += b"\0" * (-len(head) % ALIGNMENT)
    with open(out_path, "wb") as out:
        out.write(head)
        for place, (_, shape, data) in zip(places, read_tensors(model_dir)):
            out.seek(len(head) + place)
            out.write(to_float32(data) if len(shape) == 1 else data)
        out.truncate(len(head) + offset)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    write_gguf(sys.argv[1], sys.argv[2])
