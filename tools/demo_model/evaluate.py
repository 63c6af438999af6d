"""Measure an exported folder on held-out documents and reviews.

    python3 evaluate.py --model ../../models/demo --reviews 200

Prints held-out perplexity, the share of valid JSON answers without any constraint, and the
accuracy of the overall label, of the aspects found and of their labels.
"""

import argparse
import json
import math

import torch

from corpus.documents import make_turn
from corpus.grammar import Source
from dataset import encode_documents, make_batches, to_tensors
from generate import DEFAULT_SYSTEM, open_generator

DOCUMENT_SEED, REVIEW_SEED, TEXT_SEED = 555, 666, 777


@torch.no_grad()
def perplexity(generator, tokens):
    """Return perplexity per learned token over held-out documents, in float32."""
    documents = encode_documents(generator.tokenizer, DOCUMENT_SEED, tokens, "heldout")
    total, count = 0.0, 0
    for length, rows in make_batches(documents, DOCUMENT_SEED):
        ids, positions, mask, targets = to_tensors(length, rows)
        learned = int((targets >= 0).sum())
        loss = generator.model.loss(ids, positions, mask, targets, dtype=torch.float32)
        total += loss.item() * learned
        count += learned
    return math.exp(total / count)


def parse_answer(text):
    """Return (label, {aspect: label}) of a well-formed answer, else None."""
    try:
        value = json.loads(text)
        aspects = {entry["aspect"]: entry["sentiment"] for entry in value["aspects"]}
        return value["sentiment"], aspects
    except (ValueError, KeyError, TypeError):
        return None


def score_reviews(generator, count, lang, **options):
    """Return the shares of valid answers, right labels and right aspects."""
    rng = Source(f"{REVIEW_SEED}-{lang}", "heldout")
    valid = label_hits = exact = aspect_hits = aspect_total = 0
    for _ in range(count):
        turn = make_turn(rng, lang, "json")
        answer = generator.chat(turn.question, turn.system or DEFAULT_SYSTEM, **options)
        parsed, wanted = parse_answer(answer), dict(turn.review.aspects)
        aspect_total += len(wanted)
        if parsed is None:
            continue
        valid += 1
        label_hits += parsed[0] == turn.review.label
        aspect_hits += sum(parsed[1].get(name) == label for name, label in wanted.items())
        exact += parsed[1] == wanted and parsed[0] == turn.review.label
    return {
        "valid JSON": valid / count,
        "label accuracy": label_hits / count,
        "aspect accuracy": aspect_hits / aspect_total,
        "fully right": exact / count,
    }


def exact_answers(generator, kind, lang, count):
    """Return the share of greedy answers equal to the reference (one right answer only)."""
    rng = Source(f"{TEXT_SEED}-{kind}-{lang}", "heldout")
    hits = 0
    for _ in range(count):
        turn = make_turn(rng, lang, kind)
        hits += generator.chat(turn.question) == turn.answer
    return hits / count


def main():
    """Parse the command line and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--reviews", type=int, default=200, help="reviews per language")
    parser.add_argument("--tokens", type=int, default=100_000, help="held-out tokens")
    args = parser.parse_args()
    torch.set_num_threads(1)
    generator = open_generator(args.model)
    print(f"held-out perplexity: {perplexity(generator, args.tokens):.3f}")
    for lang in ("en", "zh"):
        for name, options in (("greedy", {}), ("T=0.7", {"temperature": 0.7})):
            for key, value in score_reviews(generator, args.reviews, lang, **options).items():
                print(f"{lang} {name} {key}: {100 * value:.1f} %")
    print(
        "translation exact: "
        f"{100 * exact_answers(generator, 'translate', 'en', args.reviews):.1f} %"
    )


if __name__ == "__main__":
    main()
