"""Write held-out texts with their ids, for a comparison with another tokenizer library.

    python3 check_tokenizer.py --model ../../models/demo --out /tmp/encodings.json
    npm install @huggingface/tokenizers        # in a folder of its own, outside the repository
    node check_tokenizer.mjs ../../models/demo /tmp/encodings.json
"""

import argparse
import json
import os

from bpe import load_tokenizer
from corpus.documents import document, document_text
from corpus.grammar import Source
from corpus.smalltalk import odd_word_en, odd_word_zh

TEXT_SEED = 99

# Corners of the pre-tokeniser: spaces, line ends, digits, marks, other scripts, emoji, NFC.
CORNERS = [
    " ",
    "  \n\n  x",
    "a\r\nb\n\n\nc",
    "\t\tif (x == 10) { return 3.14; }",
    "I'll we've he'd IT'S",
    "  leading and trailing  ",
    "你好,世界!  Hello，世界！",
    "1234567890 １２３ ½ Ⅷ 三",
    "naïve café e\u0301 Å A\u030a",
    "Привет мир",
    "שלום עולם",
    "नमस्ते दुनिया",
    "こんにちは、元気ですか。",
    "안녕하세요",
    "emoji 😀👩‍👩‍👧 flags 🇨🇳",
    "mixed中文and英文words混合",
    "<|im_start|>user\n<|im_end|> <tool_call></tool_call> <|nothing|>",
    "\u00a0nbsp\u3000wide",
    "...---===!!!\n\n???",
    "https://example.com/a?b=c&d=%20#x_y-z",
    "\u2028line\u2029para\x85nel",
    "tab\tend\t",
    "ſtrange ﬁ ligature ’s 's",
]


def held_out_texts(count):
    """Return the corner cases and `count` held-out or never-seen texts."""
    rng, texts = Source(TEXT_SEED, "heldout"), list(CORNERS)
    for _ in range(count):
        if rng.chance(0.75):
            texts.append(document_text(document(rng)))
        else:
            words = [rng.choice([odd_word_en, odd_word_zh])(rng) for _ in range(12)]
            texts.append(rng.choice([" ", "", ", "]).join(words))
    return texts


def main():
    """Parse the command line and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--count", type=int, default=200)
    args = parser.parse_args()
    tokenizer = load_tokenizer(os.path.join(args.model, "tokenizer.json"))
    cases = []
    for text in held_out_texts(args.count):
        ids = tokenizer.encode(text)
        cases.append({"text": text, "ids": ids, "decoded": tokenizer.decode(ids)})
    with open(args.out, "w", encoding="utf-8") as handle:
        json.dump(cases, handle, ensure_ascii=False)
    print(f"{len(cases)} texts, {sum(len(case['ids']) for case in cases)} tokens")


if __name__ == "__main__":
    main()
