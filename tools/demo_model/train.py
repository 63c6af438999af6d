"""Train the demo model: tokenizer first, then the network.

    python3 train.py --work /tmp/demo_model --tokens 12000000

Everything is seeded; the same arguments on the same machine give the same model, unless the time
limit `--minutes` ends the run early.
"""

import argparse
import ctypes
import json
import math
import os
import time

import torch

import dataset
from bpe import load_tokenizer, train_tokenizer
from model import DemoModel, ModelConfig, count_parameters

TOKENIZER_SEED, DATA_SEED, INIT_SEED, HELD_OUT_SEED = 11, 22, 33, 44
TOKENIZER_DOCUMENTS = 60_000
BASE_VOCAB = 4000
COPY_PART = 0.12


def keep_memory():
    """Let malloc keep freed memory: mapping large tensors anew costs a third of the time."""
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:
        return
    libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
    libc.mallopt(-1, (1 << 31) - 1)  # M_TRIM_THRESHOLD


def get_tokenizer(path):
    """Load the tokenizer, or train and save it."""
    if not os.path.exists(path):
        texts = dataset.sample_texts(TOKENIZER_SEED, TOKENIZER_DOCUMENTS)
        tokenizer = train_tokenizer(texts, BASE_VOCAB)
        with open(path, "w", encoding="utf-8") as handle:
            json.dump(tokenizer.to_json(), handle, ensure_ascii=False, indent=2)
    return load_tokenizer(path)


def training_batches(tokenizer, tokens):
    """Return all batches in order.

    Many documents of the first part only copy random words.  Small networks learn to copy late and
    suddenly; this brings the moment forward, and names, topics and reviews depend on it.
    """
    first = int(tokens * COPY_PART)
    parts = [
        dataset.encode_documents(tokenizer, DATA_SEED, first, copying=0.5),
        dataset.encode_documents(tokenizer, DATA_SEED + 1, tokens - first),
    ]
    return [batch for part in parts for batch in dataset.make_batches(part, DATA_SEED)]


def rate_factor(step, progress, warmup):
    """Linear warm-up, then a cosine over `progress` (0 to 1) down to 2 % of the peak."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress))


def make_optimizer(model, rate):
    """AdamW; matrices decay, biases and norms do not."""
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), eps=1e-9, foreach=True)


@torch.no_grad()
def held_out_loss(model, batches):
    """Mean loss per learned token over the held-out batches."""
    total, count = 0.0, 0
    for length, rows in batches:
        ids, positions, mask, targets = dataset.to_tensors(length, rows)
        learned = int((targets >= 0).sum())
        total += model.loss(ids, positions, mask.bfloat16(), targets).item() * learned
        count += learned
    return total / count


def save(model, path):
    """Write the float32 weights and the sizes."""
    torch.save({"config": model.config.to_dict(), "weights": model.state_dict()}, path)


def train(args):
    """Run the whole training and leave tokenizer and checkpoint in the work folder."""
    os.makedirs(args.work, exist_ok=True)
    torch.set_num_threads(args.threads)
    keep_memory()
    tokenizer = get_tokenizer(os.path.join(args.work, "tokenizer.json"))
    batches = training_batches(tokenizer, args.tokens)
    held_out = dataset.make_batches(
        dataset.encode_documents(tokenizer, HELD_OUT_SEED, 40_000, "heldout"), HELD_OUT_SEED
    )
    model = DemoModel(ModelConfig(vocab_size=-(-tokenizer.size // 128) * 128), INIT_SEED)
    optimizer = make_optimizer(model, args.rate)
    print(f"{count_parameters(model)} parameters, {len(batches)} steps", flush=True)
    checkpoint = os.path.join(args.work, "checkpoint.pt")
    started = time.time()
    for step, (length, rows) in enumerate(batches):
        # A time limit shortens the schedule instead of cutting it off.
        progress = max(step / len(batches), (time.time() - started) / (60 * args.minutes))
        if progress >= 1:
            break
        ids, positions, mask, targets = dataset.to_tensors(length, rows)
        loss = model.loss(ids, positions, mask.bfloat16(), targets)
        model.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = args.rate * rate_factor(step, progress, args.warmup)
        optimizer.step()
        if step % 50 == 0:
            print(f"step {step} loss {loss.item():.4f} {time.time() - started:.0f}s", flush=True)
        if step % 500 == 499:
            save(model, checkpoint)
    value = held_out_loss(model, held_out)
    print(f"{step + 1} steps, held-out loss {value:.4f} ppl {math.exp(value):.3f}", flush=True)
    save(model, checkpoint)


def main():
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", required=True, help="folder for tokenizer and checkpoint")
    parser.add_argument("--tokens", type=int, default=12_000_000, help="training tokens")
    parser.add_argument("--rate", type=float, default=2e-3, help="peak learning rate")
    parser.add_argument("--warmup", type=int, default=100, help="warm-up steps")
    parser.add_argument("--minutes", type=float, default=1e6, help="time limit")
    parser.add_argument("--threads", type=int, default=1)
    train(parser.parse_args())


if __name__ == "__main__":
    main()
