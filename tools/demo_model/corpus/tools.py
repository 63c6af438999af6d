"""Chats with tools: the model calls a function, reads its result and answers."""

import json
import operator

from .creative_zh import NAMES as ZH_NAMES
from .grammar import Grammar, capitalise
from .smalltalk import PLACES_EN, PLACES_ZH, odd_word_en

HEADER = (
    "\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are "
    "provided with function signatures within <tools></tools> XML tags:\n<tools>"
)
FOOTER = (
    "\n</tools>\n\nFor each function call, return a json object with function name and arguments "
    "within <tool_call></tool_call> XML tags:\n<tool_call>\n"
    '{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>'
)
GRAMMAR = Grammar({})
OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul}

# purpose -> (function names, argument names, descriptions)
TOOLS = {
    "weather": (
        ["get_weather", "get_current_weather", "get_current_temperature", "weather"],
        ["city", "location", "place"],
        [
            "Get the current weather of a city.",
            "Get current temperature at a location.",
            "Weather for a city",
        ],
    ),
    "time": (
        ["get_time", "get_current_time", "current_time"],
        ["city", "timezone", "location"],
        ["Get the current time in a city.", "Current local time of a place"],
    ),
    "search": (
        ["search", "search_web", "web_search"],
        ["query", "q"],
        ["Search the web.", "Find pages about a query."],
    ),
    "calculate": (
        ["calculate", "calculator", "compute"],
        ["expression"],
        ["Compute an arithmetic expression.", "A simple calculator"],
    ),
}

EN_ASKS = {
    "weather": [
        "[What is|What's|How is] the [weather|temperature] [in|like in] {x}[ today|]?",
        "Is it [cold|warm|raining] in {x}[ today|]?",
        "Weather in {x}[, please|][.|]",
    ],
    "time": ["What time is it in {x}[ now|]?", "[Tell me|What is] the [current |]time in {x}[.|?]"],
    "search": ["[Search|Look up|Find] {x}[ for me|][.|]", "Search the web for {x}[.|]"],
    "calculate": ["[What is|Calculate|Compute] {x}[?|.|]"],
}
ZH_ASKS = {
    "weather": ["{x}[今天|现在|]天气怎么样?", "查一下{x}的天气[。|]", "{x}今天冷吗?"],
    "time": ["{x}现在几点[了|]?", "查一下{x}的时间[。|]"],
    "search": ["[搜索|查一下|帮我查]{x}[。|]"],
    "calculate": ["[计算|算一下]{x}[。|]", "{x}等于多少?"],
}
SKIES_EN = ["sunny", "cloudy", "rainy", "windy", "foggy"]
SKIES_ZH = dict(zip(SKIES_EN, ["晴", "多云", "有雨", "有风", "有雾"]))


def _definition(rng, purpose):
    """Return (function name, argument name, the tool's JSON definition)."""
    names, arguments, descriptions = TOOLS[purpose]
    name, argument = rng.choice(names), rng.choice(arguments)
    parameters = {
        "type": "object",
        "properties": {argument: {"type": "string"}},
        "required": [argument],
    }
    function = {"name": name, "description": rng.choice(descriptions), "parameters": parameters}
    return name, argument, json.dumps({"type": "function", "function": function})


def _subject(rng, purpose, lang):
    """Return what the call is about."""
    if purpose in ("weather", "time"):
        return rng.choice(PLACES_EN if lang == "en" else PLACES_ZH)
    if purpose == "search":
        if lang == "zh":
            return rng.choice(ZH_NAMES) if rng.chance(0.5) else rng.choice(PLACES_ZH)
        return " ".join(odd_word_en(rng) for _ in range(rng.choice([1, 2])))
    return f"{rng.randrange(100)} {rng.choice('+-*')} {rng.randrange(100)}"


def _outcome(rng, purpose, subject, lang):
    """Return (tool result text, final answer)."""
    if purpose == "weather":
        degrees, sky = rng.randrange(-5, 36), rng.choice(SKIES_EN)
        result = json.dumps({"temperature": degrees, "sky": sky})
        if lang == "zh":
            return result, f"{subject}现在{degrees}度，{SKIES_ZH[sky]}。"
        return result, f"It is {degrees} degrees and {sky} in {subject} now."
    if purpose == "time":
        clock = f"{rng.randrange(24):02}:{rng.randrange(60):02}"
        answer = f"It is {clock} in {subject}." if lang == "en" else f"{subject}现在是{clock}。"
        return json.dumps({"time": clock}), answer
    if purpose == "search":
        hits = rng.randrange(1, 10)
        answer = (
            f"I found {hits} pages about {subject}."
            if lang == "en"
            else f"我找到了{hits}个关于{subject}的网页。"
        )
        return json.dumps({"hits": hits}), answer
    left, sign, right = subject.split()
    value = str(OPERATORS[sign](int(left), int(right)))
    return value, f"{subject} = {value}"


def tool_chat(rng, lang, system, ordinary):
    """Return the segments of a chat with one to three tools on offer.

    `ordinary` is a (question, answer) that needs no tool; some chats ask only that, so that the
    model also learns when not to call.
    """
    purposes = rng.sample(list(TOOLS), rng.choice([1, 1, 2, 3]))
    definitions = {purpose: _definition(rng, purpose) for purpose in purposes}
    listing = "".join("\n" + definition for _, _, definition in definitions.values())
    head = f"<|im_start|>system\n{system}{HEADER}{listing}{FOOTER}<|im_end|>\n"
    if rng.chance(0.25):
        question, answer = ordinary
        head += f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
        return [(head, False), (answer + "<|im_end|>", True)]
    purpose = rng.choice(purposes)
    name, argument, _ = definitions[purpose]
    subject = _subject(rng, purpose, lang)
    asks = (EN_ASKS if lang == "en" else ZH_ASKS)[purpose]
    question = capitalise(GRAMMAR.pick(rng, asks, {"x": subject}))
    call = json.dumps({"name": name, "arguments": {argument: subject}}, ensure_ascii=False)
    result, answer = _outcome(rng, purpose, subject, lang)
    head += f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
    reply = (
        "\n<|im_start|>user\n<tool_response>\n" + result + "\n</tool_response><|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    return [
        (head, False),
        (f"<tool_call>\n{call}\n</tool_call><|im_end|>", True),
        (reply, False),
        (answer + "<|im_end|>", True),
    ]
