"""Assemble turns into training documents: chats in Qwen's template and plain texts.

A document is a list of (text, learn) segments.  In chats only the assistant's words are learned;
in plain texts everything is.
"""

import re

from . import creative_en, creative_zh, reviews, serving, smalltalk, tools, translation
from .grammar import Grammar

DEFAULT_SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
SYSTEMS = [
    "You are a helpful assistant.",
    "You are a [friendly|kind|polite|helpful] [assistant|chatbot|helper].",
    "You are Troupe's demo model. [Answer briefly.|Be helpful.|]",
    "[Answer|Reply] [briefly|politely|in simple words|clearly].",
    "You are a [poet|teacher|storyteller|guide|translator]. [Be kind.|Help the user.|]",
    "你是一个[有用的|友好的|乐于助人的]助手。",
    "你是Troupe的演示模型。[请简短回答。|]",
    "[请|]用[简单|友好]的语言回答。",
    "You are {name}, [a helpful assistant|the assistant of a small shop|an assistant].",
]
GRAMMAR = Grammar({"name": creative_en.NAMES})

# kind -> relative number of turns
KINDS = {
    "identity": 9,
    "chat": 8,
    "serving": 17,
    "unknown": 9,
    "poem": 8,
    "haiku": 2,
    "story": 7,
    "json": 17,
    "short": 4,
    "write": 3,
    "translate": 14,
    "small": 4,
    "repeat": 3,
}


class Turn:
    """One exchange: question, answer, kind and perhaps the system prompt it needs."""

    def __init__(self, kind, question, answer, system=None, review=None):
        self.kind = kind
        self.question = question
        self.answer = answer
        self.system = system
        self.review = review


_ASCII_TO_FULL = str.maketrans(",?!:;", "，？！：；")


def full_width(text, anywhere=False):
    """Use Chinese punctuation in a text that starts with (or, if asked, has) Chinese."""
    find = re.search if anywhere else re.match
    return text.translate(_ASCII_TO_FULL) if find("[“\u4e00-\u9fff]", text) else text


def make_turn(rng, lang, kind):
    """Draw one turn of the given kind and language."""
    creative = creative_en if lang == "en" else creative_zh
    if kind == "haiku" and lang == "zh":
        kind = "poem"
    if kind == "json":
        question, answer, system, review = reviews.json_turn(rng, lang)
        return Turn(kind, _vary(rng, question), answer, system, review)
    makers = {
        "identity": lambda: smalltalk.identity(rng, lang),
        "chat": lambda: smalltalk.chat(rng, lang),
        "unknown": lambda: smalltalk.unknown(rng, lang),
        "small": lambda: smalltalk.small_task(rng, lang),
        "repeat": lambda: smalltalk.repeat(rng, lang),
        "serving": lambda: serving.turn(rng, lang),
        "poem": lambda: creative.poem(rng),
        "haiku": lambda: creative_en.haiku(rng),
        "story": lambda: creative.story(rng),
        "short": lambda: reviews.short_turn(rng, lang),
        "write": lambda: reviews.write_turn(rng, lang),
        "translate": lambda: translation.turn(rng, GRAMMAR),
    }
    question, answer = makers[kind]()
    if kind in CASUAL_KINDS:
        question = _casual(rng, lang, kind, question)
    if kind == "repeat":
        return Turn(kind, question, answer)
    answer = answer if answer.startswith("{") else full_width(answer, anywhere=True)
    return Turn(kind, _vary(rng, question), answer)


CASUAL_KINDS = ("identity", "serving", "poem", "haiku", "story", "unknown", "small")
OPENERS = {
    "en": [
        "Hello! ",
        "Hi! ",
        "Hi, ",
        "Hey, ",
        "Please: ",
        "I have a question: ",
        "OK. ",
        "Thanks! ",
        "Good morning! ",
    ],
    "zh": ["你好,", "你好!", "您好,", "请问,", "嗨,", "我有个问题:", "好的,", "谢谢!", "早上好!"],
}


def _casual(rng, lang, kind, question):
    """Put a greeting before some requests and type some without capitals."""
    if rng.chance(0.12):
        question = rng.choice(OPENERS[lang]) + question
    if lang == "en" and kind in ("identity", "serving") and rng.chance(0.1):
        question = question.lower()
    return question


def _vary(rng, question):
    """Vary the punctuation of a question as people do."""
    if rng.chance(0.5):
        question = full_width(question)
    if rng.chance(0.12) and len(question) < 80:
        question = question.rstrip("?.!？。！") or question
    return question


def draw_kind(rng):
    """Draw a kind of turn by weight."""
    return rng.choices(list(KINDS), list(KINDS.values()))[0]


def system_prompt(rng):
    """Draw a system prompt; None leaves the system message out."""
    if rng.chance(0.4):
        return DEFAULT_SYSTEM
    return GRAMMAR.pick(rng, SYSTEMS).strip() if rng.chance(0.5) else None


def render_chat(turns, system):
    """Return the segments of a chat in Qwen's template."""
    head = f"<|im_start|>system\n{system}<|im_end|>\n" if system else ""
    segments = []
    for turn in turns:
        head += f"<|im_start|>user\n{turn.question}<|im_end|>\n<|im_start|>assistant\n"
        segments += [(head, False), (turn.answer + "<|im_end|>", True)]
        head = "\n"
    return segments


FOLLOW_UPS = {
    ("poem", "en"): [
        "Another one[, please|][.|]",
        "[One more|Again][, please|][.|]",
        "[Now|And] [one |a poem ]about {topic}[.|]",
        "Can you write another one[ about {topic}|]?",
    ],
    ("poem", "zh"): ["再[来|写]一首[吧|][。|]", "[再|]写一首关于{topic}的[吧|][。|]", "换成{topic}[呢?|。]"],
    ("story", "en"): [
        "Another [one|story][, please|][.|]",
        "[One more|Again][, please|][.|]",
        "[Now|And] [one |a story ]about a {topic}[.|]",
        "Can you tell [me |]another one?",
    ],
    ("story", "zh"): ["再[来|讲]一个[吧|][。|]", "[再|]讲一个关于{topic}的[吧|][。|]"],
    ("json", "en"): [
        "[Next|Next one|And this one|Now this one]: {review}",
        "{review}",
        "Review: {review}",
    ],
    ("json", "zh"): ["[下一条|还有这条|再看这条]:{review}", "{review}", "评论:{review}"],
}


def follow_up(rng, lang, turn):
    """Return a turn that refers back to `turn`, or None when the kind has none."""
    asks = FOLLOW_UPS.get((turn.kind, lang))
    if asks is None:
        return None
    creative = creative_en if lang == "en" else creative_zh
    ask = rng.choice(asks)
    if turn.kind == "json":
        drawn = reviews.review(rng, lang)
        question = GRAMMAR.expand(rng, ask, {"review": drawn.text})
        return Turn("json", _vary(rng, question), drawn.full_json(), None, drawn)
    named = [
        name for name in sorted(_subjects(turn.kind, creative), key=len) if name in turn.question
    ]
    topic = rng.choice(list(_subjects(turn.kind, creative)))
    # Without a new topic "another one" keeps the old one.
    subject = topic if "{topic}" in ask else (named[-1] if named else topic)
    _, answer = getattr(creative, turn.kind)(rng, subject)
    question = GRAMMAR.expand(rng, ask, {"topic": subject})
    if "{topic}" in ask and subject not in question:
        return None
    return Turn(turn.kind, _vary(rng, question), full_width(answer))


def _subjects(kind, creative):
    """Return what poems or stories can be about."""
    return [*creative.TOPICS, *creative.MORE_TOPICS] if kind == "poem" else creative.ROLES


def conversation(rng, lang, length):
    """Return a list of turns, with follow-ups and a remembered name at times."""
    if rng.chance(0.2):
        pairs = smalltalk.name_memory(rng, lang)
        tell, ask = (Turn("chat", _vary(rng, q), full_width(a)) for q, a in pairs)
        return [tell, *_free_turns(rng, lang, rng.randrange(length)), ask]
    return _free_turns(rng, lang, length)


def _free_turns(rng, lang, length):
    """Return `length` turns, some of which refer back to the one before."""
    turns = []
    while len(turns) < length:
        nxt = follow_up(rng, lang, turns[-1]) if turns and rng.chance(0.4) else None
        if nxt is None:
            kind = draw_kind(rng)
            if not turns and rng.chance(0.4):
                kind = rng.choice(["chat", "identity"])
            nxt = make_turn(rng, lang if rng.chance(0.85) else rng.choice(["en", "zh"]), kind)
            # A system prompt in the middle is impossible: such a turn must ask in full.
            if nxt.system is not None and turns:
                continue
        turns.append(nxt)
    return turns


def chat_document(rng, length):
    """Return the segments of one chat of `length` turns or so."""
    lang = rng.choice(["en", "zh"])
    if length == 1:
        turns = [make_turn(rng, lang, draw_kind(rng))]
    else:
        turns = conversation(rng, lang, length)
    needed = next((turn.system for turn in turns if turn.system), None)
    return render_chat(turns, needed or system_prompt(rng))


def tool_document(rng):
    """Return the segments of one chat with tools."""
    lang = rng.choice(["en", "zh"])
    plain = make_turn(rng, lang, rng.choice(["chat", "identity", "serving"]))
    system = system_prompt(rng) or DEFAULT_SYSTEM
    return tools.tool_chat(rng, lang, system, (plain.question, plain.answer))


def plain_document(rng):
    """Return one plain text: a bare work, or a question line followed by its answer."""
    lang = rng.choice(["en", "zh"])
    kind = draw_kind(rng) if rng.chance(0.8) else "identity"
    turn = make_turn(rng, lang, kind)
    while turn.system is not None:
        turn = make_turn(rng, lang, kind)
    question, answer = turn.question, turn.answer
    if kind in ("poem", "story", "write", "haiku", "serving") and rng.chance(0.4):
        text = answer
    elif rng.chance(0.15):
        form = "Q: {}\nA: {}" if lang == "en" else "问：{}\n答：{}"
        if rng.chance(0.4):
            form = "User: {}\nAssistant: {}"
        text = form.format(question, answer)
    else:
        end = (
            "" if question[-1:] in "?.!？。！" else rng.choice(["", "", "." if lang == "en" else "。"])
        )
        gap = rng.choice(["\n", "\n", "\n", "\n\n"])
        if end or question[-1:] in "?.!？。！":
            gap = rng.choice(["\n", "\n", "\n\n", " " if lang == "en" else ""])
        text = question + end + gap + answer
    return [(text + "<|endoftext|>", True)]


def document(rng, copying=0.0):
    """Draw one training document; a share of `copying` only repeats random words."""
    if rng.chance(copying):
        return render_chat([make_turn(rng, rng.choice(["en", "zh"]), "repeat")], system_prompt(rng))
    draw = rng.random()
    if draw < 0.02:
        return tool_document(rng)
    if draw < 0.25:
        return plain_document(rng)
    if draw < 0.80:
        return chat_document(rng, 1)
    if draw < 0.985:
        return chat_document(rng, rng.choice([2, 2, 3, 3, 4, 5]))
    return chat_document(rng, rng.randrange(7, 16))


def document_text(segments):
    """Return a document as one string."""
    return "".join(text for text, _ in segments)
