"""Byte-level BPE: pre-tokeniser, trainer, encoder and `tokenizer.json` writer.

The pre-tokeniser is Qwen2.5's regular expression.  Python's `re` has no `\\p{L}`, so the classes
are spelled out from the Unicode tables in `unicodedata`.
"""

import heapq
import json
import re
import sys
import unicodedata
from collections import Counter, defaultdict

QWEN_PATTERN = (
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
)

# The added tokens of Qwen2.5 in order, with their `special` flag.
ADDED_TOKENS = [
    ("<|endoftext|>", True),
    ("<|im_start|>", True),
    ("<|im_end|>", True),
    ("<|object_ref_start|>", True),
    ("<|object_ref_end|>", True),
    ("<|box_start|>", True),
    ("<|box_end|>", True),
    ("<|quad_start|>", True),
    ("<|quad_end|>", True),
    ("<|vision_start|>", True),
    ("<|vision_end|>", True),
    ("<|vision_pad|>", True),
    ("<|image_pad|>", True),
    ("<|video_pad|>", True),
    ("<tool_call>", False),
    ("</tool_call>", False),
    ("<|fim_prefix|>", False),
    ("<|fim_middle|>", False),
    ("<|fim_suffix|>", False),
    ("<|fim_pad|>", False),
    ("<|repo_name|>", False),
    ("<|file_sep|>", False),
]


def _class_ranges(letter):
    """Return a character-class body for the Unicode general category `letter`."""
    parts, start = [], None
    for code in range(sys.maxunicode + 2):
        inside = code <= sys.maxunicode and unicodedata.category(chr(code))[0] == letter
        if inside and start is None:
            start = code
        elif not inside and start is not None:
            parts.append(f"\\U{start:08x}-\\U{code - 1:08x}")
            start = None
    return "".join(parts)


# White_Space of Unicode; Python's own \s also takes four control characters.
_SPACE = "\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000"


def compile_pattern():
    """Return the pre-tokeniser pattern as a compiled Python expression."""
    letter, number = _class_ranges("L"), _class_ranges("N")
    return re.compile(
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
        f"|[^\\r\\n{letter}{number}]?[{letter}]+"
        f"|[{number}]"
        f"| ?[^{_SPACE}{letter}{number}]+[\\r\\n]*"
        f"|[{_SPACE}]*[\\r\\n]+"
        f"|[{_SPACE}]+(?![^{_SPACE}])"
        f"|[{_SPACE}]+"
    )


def byte_alphabet():
    """Return GPT-2's byte-to-character table, the one ByteLevel uses."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {byte: chr(byte) for byte in printable}
    for byte in range(256):
        if byte not in table:
            table[byte] = chr(256 + len(table) - len(printable))
    return table


def _allowed(piece, max_letters, max_han):
    """Keep merged pieces short, so that phrases of the templates do not become one token."""
    text = piece.decode("utf-8", "ignore")
    if any(ord(char) > 0x2E7F for char in text):
        return len(text) <= max_han
    return len(piece) <= max_letters


class BpeTrainer:
    """Greedy pair merging over weighted words, with incremental pair counts."""

    def __init__(self, word_weights, max_letters=14, max_han=2):
        self.words = [[bytes([b]) for b in word.encode()] for word in word_weights]
        self.weights = list(word_weights.values())
        self.limits = (max_letters, max_han)
        self.pairs = defaultdict(float)
        self.where = defaultdict(set)
        for index, word in enumerate(self.words):
            self._count(index, word, 1)
        self.heap = [(-weight, pair) for pair, weight in self.pairs.items()]
        heapq.heapify(self.heap)

    def _count(self, index, word, sign):
        """Add or remove the pairs of one word."""
        for pair in zip(word, word[1:]):
            self.pairs[pair] += sign * self.weights[index]
            self.where[pair].add(index)

    def _pop_best(self):
        """Return the heaviest allowed pair; stale heap entries are skipped."""
        while self.heap:
            weight, pair = heapq.heappop(self.heap)
            if abs(self.pairs[pair] + weight) > 1e-6 or self.pairs[pair] < 1e-6:
                continue
            if _allowed(pair[0] + pair[1], *self.limits):
                return pair
        return None

    def _apply(self, pair):
        """Merge `pair` in every word that holds it and refresh the counts."""
        merged, touched = pair[0] + pair[1], set()
        for index in self.where.pop(pair):
            word = self.words[index]
            self._count(index, word, -1)
            touched.update(zip(word, word[1:]))
            self.words[index] = merge_pair(word, pair, merged)
            self._count(index, self.words[index], 1)
            touched.update(zip(self.words[index], self.words[index][1:]))
        for changed in sorted(touched):
            weight = round(self.pairs[changed], 6)
            self.pairs[changed] = weight
            if weight > 0:
                heapq.heappush(self.heap, (-weight, changed))

    def train(self, merge_count):
        """Return up to `merge_count` merges as pairs of byte strings."""
        merges, seen = [], {bytes([b]) for b in range(256)}
        while len(merges) < merge_count:
            pair = self._pop_best()
            if pair is None:
                break
            self._apply(pair)
            # Two routes to one piece would give it two ids; keep the first only.
            if pair[0] + pair[1] not in seen:
                seen.add(pair[0] + pair[1])
                merges.append(pair)
        return merges


def merge_pair(word, pair, merged):
    """Return `word` with each adjacent occurrence of `pair` joined."""
    out, index = [], 0
    while index < len(word):
        if index + 1 < len(word) and word[index] == pair[0] and word[index + 1] == pair[1]:
            out.append(merged)
            index += 2
        else:
            out.append(word[index])
            index += 1
    return out


class Tokenizer:
    """Encoder and decoder for a trained merge list."""

    def __init__(self, merges):
        self.merges = merges
        self.pattern = compile_pattern()
        alphabet = byte_alphabet()
        order = sorted(range(256), key=lambda byte: alphabet[byte])
        pieces = [bytes([byte]) for byte in order] + [a + b for a, b in merges]
        self.ids = {piece: index for index, piece in enumerate(pieces)}
        self.pieces = pieces
        self.ranks = {pair: rank for rank, pair in enumerate(merges)}
        base = len(pieces)
        self.added = {text: base + index for index, (text, _) in enumerate(ADDED_TOKENS)}
        self.added_names = {index: text for text, index in self.added.items()}
        self.added_split = re.compile("(" + "|".join(map(re.escape, self.added)) + ")")
        self.cache = {}

    @property
    def size(self):
        """Number of ids in use, added tokens included."""
        return len(self.pieces) + len(self.added)

    def _encode_word(self, word):
        """Apply the merges to one pre-token, lowest rank first."""
        if word in self.cache:
            return self.cache[word]
        parts = [bytes([b]) for b in word.encode()]
        while len(parts) > 1:
            pairs = [self.ranks.get(pair, 1 << 30) for pair in zip(parts, parts[1:])]
            best = min(pairs)
            if best == 1 << 30:
                break
            pair = self.merges[best]
            parts = merge_pair(parts, pair, pair[0] + pair[1])
        ids = [self.ids[part] for part in parts]
        if len(self.cache) < 400_000:
            self.cache[word] = ids
        return ids

    def encode(self, text):
        """Return ids; added tokens in the text are recognised."""
        out = []
        for part in self.added_split.split(text):
            if part in self.added:
                out.append(self.added[part])
                continue
            for match in self.pattern.finditer(unicodedata.normalize("NFC", part)):
                out.extend(self._encode_word(match[0]))
        return out

    def decode(self, ids, skip_special=False):
        """Return the text of `ids`."""
        out = []
        for index in ids:
            if index < len(self.pieces):
                out.append(self.pieces[index])
            elif index in self.added_names and not skip_special:
                out.append(self.added_names[index].encode())
        return b"".join(out).decode("utf-8", "replace")

    def to_json(self):
        """Return the content of `tokenizer.json` in Qwen2.5's structure."""
        alphabet = byte_alphabet()

        def show(piece):
            return "".join(alphabet[byte] for byte in piece)

        byte_level = {
            "type": "ByteLevel",
            "add_prefix_space": False,
            "trim_offsets": False,
            "use_regex": False,
        }
        split = {
            "type": "Split",
            "pattern": {"Regex": QWEN_PATTERN},
            "behavior": "Isolated",
            "invert": False,
        }
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [
                {"id": self.added[text], "content": text, **token_flags(special)}
                for text, special in ADDED_TOKENS
            ],
            "normalizer": {"type": "NFC"},
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, byte_level]},
            "post_processor": byte_level,
            "decoder": byte_level,
            "model": {
                "type": "BPE",
                "dropout": None,
                "unk_token": None,
                "continuing_subword_prefix": "",
                "end_of_word_suffix": "",
                "fuse_unk": False,
                "byte_fallback": False,
                "vocab": {show(piece): index for index, piece in enumerate(self.pieces)},
                "merges": [f"{show(a)} {show(b)}" for a, b in self.merges],
            },
        }


def token_flags(special):
    """Return the flags every added token of Qwen2.5 carries."""
    return {
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": special,
    }


def load_tokenizer(path):
    """Read the merges back from a `tokenizer.json` written by `Tokenizer.to_json`."""
    with open(path, encoding="utf-8") as handle:
        merges = json.load(handle)["model"]["merges"]
    table = {char: byte for byte, char in byte_alphabet().items()}

    def raw(piece):
        return bytes(table[char] for char in piece)

    return Tokenizer([tuple(raw(part) for part in merge.split(" ")) for merge in merges])


def word_weights(texts, pattern, added=()):
    """Count pre-tokens; the square root keeps frequent templates from ruling the merges."""
    counts = Counter()
    for text in texts:
        for special in added:
            text = text.replace(special, "\n")
        counts.update(match[0] for match in pattern.finditer(unicodedata.normalize("NFC", text)))
    return {word: count**0.5 for word, count in sorted(counts.items())}


def train_tokenizer(texts, base_vocab):
    """Train on an iterable of texts until the base vocabulary has `base_vocab` entries."""
    pattern = compile_pattern()
    weights = word_weights(texts, pattern, [text for text, _ in ADDED_TOKENS])
    return Tokenizer(BpeTrainer(weights).train(base_vocab - 256))
