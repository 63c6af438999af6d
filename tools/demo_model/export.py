"""Write a trained checkpoint as a Hugging Face model folder.

    python3 export.py --work /tmp/demo_model --qwen QWEN_TOKENIZER_CONFIG --out ../../models/demo

The chat template is copied byte for byte from Qwen2.5's own `tokenizer_config.json` (or from the
one that is already in the output folder), because servers recognise the template by its text.
"""

import argparse
import json
import os

import torch

from bpe import ADDED_TOKENS, load_tokenizer, token_flags
from model import DemoModel, ModelConfig
from safetensors_io import read_bf16, write_bf16


def split_layer(weights, config, index):
    """Return the published tensors of one layer from the fused training weights."""
    ours, theirs = f"layers.{index}.", f"model.layers.{index}."
    heads, groups = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
    gate, up = weights[ours + "mlp.gate_up"].split(config.intermediate_size)
    out = {
        theirs + "input_layernorm.weight": weights[ours + "attention_norm.weight"],
        theirs + "mlp.down_proj.weight": weights[ours + "mlp.down"],
        theirs + "mlp.gate_proj.weight": gate,
        theirs + "mlp.up_proj.weight": up,
        theirs + "post_attention_layernorm.weight": weights[ours + "mlp_norm.weight"],
        theirs + "self_attn.o_proj.weight": weights[ours + "attention.out_weight"],
    }
    for part in ("weight", "bias"):
        fused = weights[ours + f"attention.qkv_{part}"].split([heads, groups, groups])
        for name, tensor in zip(("q_proj", "k_proj", "v_proj"), fused):
            out[theirs + f"self_attn.{name}.{part}"] = tensor
    return out


def published_tensors(weights, config):
    """Return all tensors under their Hugging Face names; the head is tied and not stored."""
    tensors = {"model.embed_tokens.weight": weights["embedding"]}
    for index in range(config.num_layers):
        tensors.update(split_layer(weights, config, index))
    tensors["model.norm.weight"] = weights["norm.weight"]
    return tensors


def load_model(folder):
    """Build the network from an exported folder: the proof that the export is complete."""
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as handle:
        values = json.load(handle)
    heads = values["num_attention_heads"]
    config = ModelConfig(
        vocab_size=values["vocab_size"],
        hidden_size=values["hidden_size"],
        num_layers=values["num_hidden_layers"],
        num_heads=heads,
        num_kv_heads=values["num_key_value_heads"],
        head_dim=values["hidden_size"] // heads,
        intermediate_size=values["intermediate_size"],
        rope_theta=values["rope_theta"],
        rms_norm_eps=values["rms_norm_eps"],
        max_position_embeddings=values["max_position_embeddings"],
    )
    tensors = read_bf16(os.path.join(folder, "model.safetensors"))
    model = DemoModel(config)
    model.load_state_dict(fused_weights(tensors, config))
    return model.eval()


def fused_weights(tensors, config):
    """Undo `published_tensors`."""
    weights = {
        "embedding": tensors["model.embed_tokens.weight"],
        "norm.weight": tensors["model.norm.weight"],
    }
    for index in range(config.num_layers):
        ours, theirs = f"layers.{index}.", f"model.layers.{index}."
        weights[ours + "attention_norm.weight"] = tensors[theirs + "input_layernorm.weight"]
        weights[ours + "mlp_norm.weight"] = tensors[theirs + "post_attention_layernorm.weight"]
        weights[ours + "mlp.down"] = tensors[theirs + "mlp.down_proj.weight"]
        weights[ours + "attention.out_weight"] = tensors[theirs + "self_attn.o_proj.weight"]
        weights[ours + "mlp.gate_up"] = torch.cat(
            [tensors[theirs + f"mlp.{name}_proj.weight"] for name in ("gate", "up")]
        )
        for part in ("weight", "bias"):
            weights[ours + f"attention.qkv_{part}"] = torch.cat(
                [tensors[theirs + f"self_attn.{name}_proj.{part}"] for name in "qkv"]
            )
    return weights


def config_json(config, tokenizer):
    """Return `config.json` with the keys of the Qwen2.5 releases."""
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "attention_dropout": 0.0,
        "bos_token_id": tokenizer.added["<|endoftext|>"],
        "eos_token_id": tokenizer.added["<|im_end|>"],
        "hidden_act": "silu",
        "hidden_size": config.hidden_size,
        "initializer_range": config.initializer_range,
        "intermediate_size": config.intermediate_size,
        "max_position_embeddings": config.max_position_embeddings,
        "max_window_layers": config.num_layers,
        "model_type": "qwen2",
        "num_attention_heads": config.num_heads,
        "num_hidden_layers": config.num_layers,
        "num_key_value_heads": config.num_kv_heads,
        "rms_norm_eps": config.rms_norm_eps,
        "rope_theta": config.rope_theta,
        "sliding_window": config.max_position_embeddings,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "transformers_version": "4.43.1",
        "use_cache": True,
        "use_sliding_window": False,
        "vocab_size": config.vocab_size,
    }


def generation_json(tokenizer):
    """Return the recommended sampling settings."""
    end_of_text = tokenizer.added["<|endoftext|>"]
    return {
        "bos_token_id": end_of_text,
        "pad_token_id": end_of_text,
        "do_sample": True,
        "eos_token_id": [tokenizer.added["<|im_end|>"], end_of_text],
        "repetition_penalty": 1.05,
        "temperature": 0.7,
        "top_p": 0.8,
        "top_k": 20,
        "transformers_version": "4.43.1",
    }


def tokenizer_config_json(source, tokenizer, config):
    """Return Qwen2.5's `tokenizer_config.json` with our ids and our context length."""
    with open(source, encoding="utf-8") as handle:
        values = json.load(handle)
    values["added_tokens_decoder"] = {
        str(tokenizer.added[text]): {"content": text, **token_flags(special)}
        for text, special in ADDED_TOKENS
    }
    values["model_max_length"] = config.max_position_embeddings
    return values


def write_json(path, values):
    """Write readable JSON."""
    with open(path, "w", encoding="utf-8") as handle:
        json.dump(values, handle, ensure_ascii=False, indent=2)
        handle.write("\n")


def main():
    """Parse the command line and export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", required=True, help="folder with tokenizer and checkpoint")
    parser.add_argument("--out", required=True, help="folder to write")
    parser.add_argument(
        "--qwen", help="Qwen2.5's tokenizer_config.json (default: the one in --out)"
    )
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    tokenizer = load_tokenizer(os.path.join(args.work, "tokenizer.json"))
    checkpoint = torch.load(os.path.join(args.work, "checkpoint.pt"))
    config = ModelConfig(**checkpoint["config"])
    source = args.qwen or os.path.join(args.out, "tokenizer_config.json")
    files = {
        "tokenizer_config.json": tokenizer_config_json(source, tokenizer, config),
        "config.json": config_json(config, tokenizer),
        "generation_config.json": generation_json(tokenizer),
        "tokenizer.json": tokenizer.to_json(),
    }
    for name, values in files.items():
        write_json(os.path.join(args.out, name), values)
    tensors = published_tensors(checkpoint["weights"], config)
    write_bf16(os.path.join(args.out, "model.safetensors"), tensors)


if __name__ == "__main__":
    main()
