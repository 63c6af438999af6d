"""Generate, encode and batch the training documents."""

import numpy as np
import torch

from corpus.documents import document, document_text
from corpus.grammar import Source

ROW_LENGTHS = (256, 512, 1024)
TOKENS_PER_BATCH = 2048
TURN_JUMP = 400


def sample_texts(seed, count):
    """Return `count` documents as strings, for the tokenizer and for checks."""
    rng = Source(seed)
    return [document_text(document(rng)) for _ in range(count)]


class Encoded:
    """One document as arrays: ids, whether each token is learned, and its position."""

    def __init__(self, tokenizer, rng, segments):
        ids, learn, positions, start = [], [], [], 0
        for text, learned in segments:
            part = tokenizer.encode(text)
            # Now and then a chat jumps ahead between turns: distances of long chats, at no cost.
            if ids and not learned and rng.chance(0.3):
                start += rng.randrange(TURN_JUMP)
            positions += range(start, start + len(part))
            start += len(part)
            ids += part
            learn += [learned] * len(part)
        self.ids = np.array(ids, np.int16)
        self.learn = np.array(learn, bool)
        self.positions = np.array(positions, np.int16)


def encode_documents(tokenizer, seed, token_budget, split="train", copying=0.0):
    """Return encoded documents until `token_budget` tokens are reached."""
    rng, out, total = Source(seed, split), [], 0
    while total < token_budget:
        encoded = Encoded(tokenizer, rng, document(rng, copying))
        if len(encoded.ids) <= ROW_LENGTHS[-1]:
            out.append(encoded)
            total += len(encoded.ids)
    return out


def pack_rows(documents):
    """Pack documents into rows: {row length: list of document lists}.

    A document goes to the shortest row that can hold it; a few open rows per length are tried
    first, so little padding is left.
    """
    rows = {length: [] for length in ROW_LENGTHS}
    open_rows = {length: [] for length in ROW_LENGTHS}
    for item in documents:
        size = len(item.ids)
        length = next(length for length in ROW_LENGTHS if size <= length)
        choices = [entry for entry in open_rows[length] if entry[0] >= size]
        if choices:
            best = min(choices, key=lambda entry: entry[0])
        else:
            best = [length, []]
            rows[length].append(best[1])
            open_rows[length].append(best)
            if len(open_rows[length]) > 64:
                open_rows[length].remove(min(open_rows[length], key=lambda entry: entry[0]))
        best[0] -= size
        best[1].append(item)
    return rows


def make_batches(documents, seed):
    """Return a shuffled list of (row length, rows) with a constant number of tokens each."""
    batches = []
    for length, rows in pack_rows(documents).items():
        count = TOKENS_PER_BATCH // length
        batches += [(length, rows[i : i + count]) for i in range(0, len(rows), count)]
    Source(seed).shuffle(batches)
    return batches


def to_tensors(length, rows):
    """Return ids, positions, additive attention mask and targets (-1 where not learned)."""
    shape = (len(rows), length)
    ids, positions = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    targets, owner = np.full(shape, -1, np.int64), np.full(shape, -1, np.int64)
    for index, row in enumerate(rows):
        at = 0
        for number, item in enumerate(row):
            end = at + len(item.ids)
            ids[index, at:end] = item.ids
            positions[index, at:end] = item.positions
            owner[index, at:end] = number
            # The target of a token is the next one; the first token of a text is never predicted.
            targets[index, at : end - 1] = np.where(item.learn[1:], item.ids[1:], -1)
            at = end
    same = owner[:, :, None] == owner[:, None, :]
    visible = torch.from_numpy(same & np.tri(length, dtype=bool))
    mask = torch.zeros(visible.shape).masked_fill_(~visible, -1e4)[:, None, None]
    return torch.from_numpy(ids), torch.from_numpy(positions), mask, torch.from_numpy(targets)
