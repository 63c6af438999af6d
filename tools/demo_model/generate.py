"""Generate text with an exported folder: the reference to compare a server with.

    python3 generate.py --model ../../models/demo --chat "Hello! Who are you?"
    python3 generate.py --model ../../models/demo --raw "你好,请介绍一下你自己"
"""

import argparse
import os

import torch

from bpe import load_tokenizer
from corpus.documents import DEFAULT_SYSTEM
from export import load_model


def render_prompt(messages, system=DEFAULT_SYSTEM):
    """Return the prompt text for a list of (role, content) in Qwen's template."""
    head = [("system", system)] if system else []
    text = "".join(
        f"<|im_start|>{role}\n{content}<|im_end|>\n" for role, content in head + messages
    )
    return text + "<|im_start|>assistant\n"


def choose(logits, rng, temperature, top_p, top_k):
    """Sample one id; temperature 0 takes the most likely one."""
    if temperature == 0:
        return int(logits.argmax())
    values, ids = (logits / temperature).topk(top_k)
    weights = torch.softmax(values, 0)
    weights[weights.cumsum(0) - weights > top_p] = 0
    return int(ids[torch.multinomial(weights, 1, generator=rng)])


class Generator:
    """A model, its tokenizer and a seeded sampler."""

    def __init__(self, model, tokenizer, seed=0):
        self.model = model
        self.tokenizer = tokenizer
        self.rng = torch.Generator().manual_seed(seed)
        self.stops = {tokenizer.added["<|im_end|>"], tokenizer.added["<|endoftext|>"]}

    @torch.no_grad()
    def ids(self, prompt_ids, limit=200, temperature=0.0, top_p=0.8, top_k=20):
        """Return the generated ids, without the stop token."""
        out, past, step = [], None, list(prompt_ids)
        while len(out) < limit:
            start = 0 if past is None else past[0][0].shape[2]
            positions = torch.arange(start, start + len(step))[None]
            mask = None
            if past is None:
                mask = torch.full((len(step), len(step)), -1e9).triu(1)
            hidden, past = self.model.hidden(torch.tensor([step]), positions, mask, past)
            logits = self.model.logits(hidden[0, -1])
            step = [choose(logits, self.rng, temperature, top_p, top_k)]
            if step[0] in self.stops:
                break
            out += step
        return out

    def text(self, prompt, **options):
        """Return the generated text for a prompt text."""
        return self.tokenizer.decode(self.ids(self.tokenizer.encode(prompt), **options))

    def chat(self, question, system=DEFAULT_SYSTEM, **options):
        """Return the answer to one user message."""
        return self.text(render_prompt([("user", question)], system), **options)


def open_generator(folder, seed=0):
    """Load an exported folder."""
    tokenizer = load_tokenizer(os.path.join(folder, "tokenizer.json"))
    return Generator(load_model(folder), tokenizer, seed)


def main():
    """Parse the command line and print one generation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--chat", help="user message, sent through the chat template")
    parser.add_argument("--raw", help="prompt without template")
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    generator = open_generator(args.model, args.seed)
    prompt = args.raw if args.raw is not None else render_prompt([("user", args.chat)])
    print(generator.text(prompt, limit=args.tokens, temperature=args.temperature))


if __name__ == "__main__":
    main()
