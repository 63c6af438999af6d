"""Check that the exported bfloat16 weights continue texts as the trained checkpoint does.

    python3 check_export.py --work /tmp/demo_model --model ../../models/demo

The checkpoint is float32 and the export is bfloat16, so two things are compared: the export with
the checkpoint rounded to bfloat16 (must be identical), and with the checkpoint as trained (greedy
texts should agree except where two tokens are almost equally likely).
"""

import argparse
import os
import sys

import torch

from corpus.documents import make_turn
from corpus.grammar import Source
from export import published_tensors
from generate import Generator, open_generator
from model import DemoModel, ModelConfig
from safetensors_io import read_bf16

PROMPT_SEED = 321


def same_tensors(checkpoint, path):
    """Tell whether every stored tensor equals the rounded trained one, bit for bit."""
    stored = read_bf16(path)
    wanted = published_tensors(checkpoint["weights"], ModelConfig(**checkpoint["config"]))
    return stored.keys() == wanted.keys() and all(
        torch.equal(stored[name], tensor.bfloat16().float()) for name, tensor in wanted.items()
    )


def main():
    """Parse the command line, compare, and exit with 1 on a difference of the tensors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--count", type=int, default=30)
    args = parser.parse_args()
    torch.set_num_threads(1)
    checkpoint = torch.load(os.path.join(args.work, "checkpoint.pt"))
    exact = same_tensors(checkpoint, os.path.join(args.model, "model.safetensors"))
    print(f"tensors equal to the rounded checkpoint: {exact}")
    exported = open_generator(args.model)
    trained = DemoModel(ModelConfig(**checkpoint["config"]))
    trained.load_state_dict(checkpoint["weights"])
    reference = Generator(trained.eval(), exported.tokenizer)
    rng, same = Source(PROMPT_SEED, "heldout"), 0
    kinds = ["identity", "serving", "json", "translate", "poem", "story"]
    for number in range(args.count):
        turn = make_turn(rng, rng.choice(["en", "zh"]), kinds[number % len(kinds)])
        same += exported.chat(turn.question) == reference.chat(turn.question)
    print(f"greedy answers equal to the float32 checkpoint: {same} of {args.count}")
    sys.exit(0 if exact else 1)


if __name__ == "__main__":
    main()
