"""A small template language: the generator's only source of text.

A template is a string with two kinds of holes.  `[one|two|]` takes one of its alternatives (they
may nest, and one may be empty).  `{noun}` takes a value: a bound slot if there is one of that
name, else a random entry of the lexicon.  `{hero=name}` draws from the lexicon list `name` and
binds the result to `hero`, so that later `{hero}` repeats it.  Entries may hold holes themselves.
"""

import hashlib
import random
import re

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{(?:(\w+)=)?(\w+)\}")

HELD_OUT_SHARE = 0.03


class Source(random.Random):
    """A seeded random source that also knows which split it draws for."""

    def __init__(self, seed, split="train"):
        super().__init__(seed)
        self.split = split

    def chance(self, probability):
        """Return True with the given probability."""
        return self.random() < probability

    def accepts(self, key):
        """Tell whether `key` belongs to this split; the same text never lands in both."""
        digest = hashlib.sha1(key.encode()).digest()
        held_out = int.from_bytes(digest[:4], "big") < HELD_OUT_SHARE * 2**32
        return held_out == (self.split == "heldout")


class Grammar:
    """Templates expanded over one lexicon (a dict of lists of strings)."""

    def __init__(self, lexicon):
        self.lexicon = lexicon

    def expand(self, rng, template, slots=None):
        """Fill every hole of `template`; `slots` gives bound values and receives new ones."""
        slots = {} if slots is None else slots
        text = template
        while "[" in text or "{" in text:
            text, chosen = _CHOICE.subn(lambda m: rng.choice(m[1].split("|")), text)
            if chosen:
                continue
            text = _SLOT.sub(lambda m: self._value(rng, m[1], m[2], slots), text, count=1)
        return text

    def pick(self, rng, templates, slots=None):
        """Expand one template of a list."""
        return self.expand(rng, rng.choice(templates), slots)

    def _value(self, rng, target, name, slots):
        """Return the text of one slot, binding it when a target name is given."""
        if target is None and name in slots:
            return slots[name]
        value = self.expand(rng, rng.choice(self.lexicon[name]), slots)
        if target is not None:
            slots[target] = value
        return value


def capitalise(text):
    """Upper-case the first letter and leave the rest alone."""
    return text[:1].upper() + text[1:]


def fix_articles(text):
    """Turn `a apple` into `an apple` after slots were filled."""
    return re.sub(r"\b([Aa]) (?=[aeiou](?!ne\b|ni|su))", r"\1n ", text)
