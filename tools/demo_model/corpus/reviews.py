"""Product reviews with their sentiment and aspects, in English and Chinese."""

import json

from .grammar import Grammar, capitalise, fix_articles

# aspect -> (positive, negative, neutral) clauses; each reads as a whole clause about the aspect.
EN_ASPECTS = {
    "battery": (
        [
            "the battery lasts [two days|all day|for ages|a whole weekend]",
            "battery life is {good}",
            "the battery charges [quickly|in half an hour]",
        ],
        [
            "the battery dies [too fast|within hours|before noon|by lunch]",
            "battery life is {bad}",
            "the battery drains [quickly|overnight]",
        ],
        ["battery life is {ok}", "the battery lasts [about a day|as long as expected]"],
    ),
    "screen": (
        [
            "the screen is [{good}|bright and sharp|gorgeous]",
            "I love the [bright |sharp |big |]screen",
            "the display [looks|is] {good}",
        ],
        [
            "the screen is [{bad}|dim and blurry|full of scratches]",
            "the display [flickers|scratches easily|is hard to read outside]",
        ],
        ["the screen is {ok}", "the display is {ok}"],
    ),
    "camera": (
        [
            "the camera takes {good} [photos|pictures]",
            "the camera is {good}",
            "photos from the camera look [sharp|stunning|{good}]",
        ],
        ["the camera takes [blurry|grainy|{bad}] [photos|pictures]", "the camera is {bad}"],
        ["the camera is {ok}"],
    ),
    "price": (
        [
            "the price is [{good}|fair|very low]",
            "it is worth every [cent|penny]",
            "it is good value for the price",
            "the price is a bargain",
        ],
        [
            "it is [far too|way too|much too] expensive",
            "the price is [{bad}|too high|not justified]",
            "it is overpriced",
        ],
        ["the price is {ok}", "the price is about what you would expect"],
    ),
    "design": (
        [
            "the design is [{good}|elegant|beautiful]",
            "I love the [elegant|modern|clean] design",
            "it looks [beautiful|elegant]",
        ],
        ["the design is [{bad}|ugly|clumsy]", "it looks [cheap|ugly]"],
        ["the design is {ok}"],
    ),
    "sound": (
        [
            "the sound is [{good}|rich and clear|crisp]",
            "the sound quality is {good}",
            "music sounds [{good}|wonderful]",
        ],
        [
            "the sound is [{bad}|thin|muffled]",
            "the sound quality is {bad}",
            "the speakers [crackle|buzz]",
        ],
        ["the sound is {ok}"],
    ),
    "keyboard": (
        [
            "the keyboard is [{good}|a joy to type on|comfortable]",
            "typing on the keyboard feels {good}",
        ],
        ["the keyboard is [{bad}|mushy|cramped]", "the keys [stick|rattle]"],
        ["the keyboard is {ok}"],
    ),
    "performance": (
        [
            "it runs [fast|smoothly|like lightning]",
            "performance is {good}",
            "everything is [fast|snappy|smooth]",
        ],
        [
            "it is [slow|painfully slow|sluggish]",
            "performance is {bad}",
            "it [freezes|crashes] all the time",
        ],
        ["performance is {ok}", "the speed is {ok}"],
    ),
    "quality": (
        [
            "the build quality is {good}",
            "it feels [solid|sturdy|well made]",
            "the material is {good}",
        ],
        [
            "the build quality is {bad}",
            "it [broke|fell apart] after [a week|two days|one month]",
            "it feels [flimsy|cheap]",
        ],
        ["the build quality is {ok}"],
    ),
    "delivery": (
        [
            "delivery was [fast|quick|{good}]",
            "it arrived [early|on time|the next day]",
            "shipping was [fast|{good}]",
        ],
        [
            "delivery was [slow|late|{bad}]",
            "it arrived [late|two weeks late|damaged]",
            "shipping took forever",
        ],
        ["delivery was {ok}", "delivery took [three|four|five] days"],
    ),
    "packaging": (
        ["the packaging was [{good}|neat and safe]", "it was beautifully packed"],
        ["the packaging was [{bad}|torn|crushed]", "the box was [damaged|open]"],
        ["the packaging was {ok}"],
    ),
    "service": (
        [
            "the service was [{good}|fast and friendly]",
            "customer service was [{good}|very helpful]",
            "support answered [at once|within minutes]",
        ],
        [
            "the service was [{bad}|slow|rude]",
            "customer service [was {bad}|never answered|ignored me]",
            "nobody helped us",
        ],
        ["the service was {ok}"],
    ),
    "staff": (
        [
            "the staff were [friendly|{good}|so kind|helpful]",
            "the staff [smiled all the time|helped with everything]",
        ],
        ["the staff were [rude|{bad}|unfriendly|careless]", "the staff ignored us"],
        ["the staff were {ok}"],
    ),
    "food": (
        [
            "the food was [delicious|{good}|fresh and tasty]",
            "every dish was [delicious|a delight]",
            "I loved the food",
        ],
        ["the food was [cold|{bad}|tasteless|too salty]", "the dishes were [bland|greasy|cold]"],
        ["the food was {ok}"],
    ),
    "room": (
        ["the room was [clean|{good}|spacious|bright and quiet]", "our room was [spotless|lovely]"],
        ["the room was [dirty|{bad}|noisy|tiny]", "our room smelled [bad|of smoke]"],
        ["the room was {ok}"],
    ),
    "location": (
        [
            "the location is [{good}|perfect|ideal]",
            "it is close to [everything|the station|the beach]",
        ],
        ["the location is [{bad}|terrible]", "it is far from [everything|the centre|the station]"],
        ["the location is {ok}"],
    ),
    "breakfast": (
        ["breakfast was [{good}|delicious|rich and fresh]", "I loved the breakfast"],
        ["breakfast was [{bad}|cold|poor]", "the breakfast was not worth it"],
        ["breakfast was {ok}"],
    ),
    "comfort": (
        [
            "it is [very|so|extremely] comfortable",
            "the comfort is {good}",
            "I can [wear|use] it for hours without pain",
        ],
        [
            "it is [very|so|really] uncomfortable",
            "it hurts after [an hour|ten minutes]",
            "the comfort is {bad}",
        ],
        ["the comfort is {ok}"],
    ),
    "size": (
        ["the size is [perfect|just right|{good}]", "it fits perfectly"],
        ["the size is [wrong|{bad}|too small|too big]", "it does not fit at all"],
        ["the size is {ok}"],
    ),
    "story": (
        [
            "the story is [{good}|gripping|touching]",
            "the plot kept me [awake|reading] all night",
            "I loved the story",
        ],
        ["the story is [{bad}|boring|confusing]", "the plot makes no sense"],
        ["the story is {ok}"],
    ),
    "characters": (
        ["the characters are [{good}|vivid|easy to love]", "I loved the characters"],
        ["the characters are [{bad}|flat|annoying]", "I did not care about the characters"],
        ["the characters are {ok}"],
    ),
    "taste": (
        ["the taste is [{good}|rich|wonderful]", "it tastes [{good}|wonderful]"],
        ["the taste is [{bad}|bitter|awful]", "it tastes [{bad}|like water|burnt]"],
        ["the taste is {ok}"],
    ),
    "noise": (
        ["it is [very|so|wonderfully] quiet", "it makes almost no noise"],
        ["it is [very|so|terribly] loud", "the noise is [{bad}|unbearable]"],
        ["the noise is {ok}"],
    ),
}

EN_PRODUCTS = {
    "phone": [
        "battery",
        "screen",
        "camera",
        "price",
        "design",
        "sound",
        "performance",
        "delivery",
        "service",
    ],
    "laptop": [
        "battery",
        "screen",
        "keyboard",
        "price",
        "design",
        "performance",
        "noise",
        "quality",
        "delivery",
    ],
    "tablet": ["battery", "screen", "sound", "price", "performance", "design", "delivery"],
    "watch": ["battery", "screen", "design", "comfort", "price", "quality"],
    "camera": ["battery", "screen", "price", "quality", "design", "delivery"],
    "pair of headphones": [
        "sound",
        "battery",
        "comfort",
        "price",
        "design",
        "quality",
        "packaging",
    ],
    "speaker": ["sound", "battery", "price", "design", "quality", "delivery"],
    "keyboard": ["keyboard", "noise", "price", "design", "quality", "packaging"],
    "hotel": ["room", "location", "staff", "breakfast", "price", "service", "noise"],
    "restaurant": ["food", "service", "price", "location", "staff", "noise"],
    "café": ["food", "taste", "service", "price", "location", "staff"],
    "book": ["story", "characters", "price", "delivery", "packaging"],
    "film": ["story", "characters", "sound"],
    "game": ["story", "characters", "performance", "price", "sound"],
    "pair of shoes": ["comfort", "size", "design", "price", "quality", "delivery"],
    "jacket": ["comfort", "size", "design", "price", "quality", "packaging"],
    "coffee machine": ["taste", "noise", "price", "design", "quality", "service"],
    "vacuum cleaner": ["noise", "battery", "price", "quality", "delivery", "service"],
    "chair": ["comfort", "design", "price", "quality", "delivery", "packaging"],
    "backpack": ["comfort", "size", "design", "price", "quality", "delivery"],
}

EN_LEXICON = {
    "good": [
        "great",
        "excellent",
        "amazing",
        "fantastic",
        "very good",
        "superb",
        "wonderful",
        "really good",
        "outstanding",
        "impressive",
        "good",
        "perfect",
    ],
    "bad": [
        "terrible",
        "awful",
        "very bad",
        "poor",
        "disappointing",
        "horrible",
        "really bad",
        "bad",
        "a joke",
        "not good",
    ],
    "poor": ["bad", "poor", "terrible", "awful", "disappointing", "horrible"],
    "fair": ["average", "ordinary", "acceptable"],
    "ok": [
        "okay",
        "average",
        "acceptable",
        "neither good nor bad",
        "fine, nothing special",
        "ordinary",
    ],
}
EN = Grammar(EN_LEXICON)

EN_OPENERS = [
    "I bought this {product} [last week|a month ago|yesterday|for my {relative}].",
    "My {relative} [gave me|recommended] this {product}.",
    "I have been using this {product} for [two weeks|three months|a year|a few days].",
    "This was my first {product} [from this shop|of this brand].",
    "",
    "",
]
EN_PLACE_OPENERS = [
    (
        "We [went to|visited|tried] this {product} [last weekend|on Friday|with friends|for my "
        "birthday]."
    ),
    "I [stopped|was] at this {product} [yesterday|last night|on a rainy day].",
    "",
]
EN_STORY_OPENERS = [
    "I [finished|tried] this {product} [yesterday|last night|over the weekend].",
    "[A friend|My {relative}] recommended this {product}.",
    "",
]
EN_LEXICON["relative"] = [
    "mother",
    "father",
    "sister",
    "brother",
    "wife",
    "husband",
    "daughter",
    "son",
    "friend",
]
EN_CLOSERS = {
    "positive": [
        (
            "[I am very happy with it|Highly recommended|I would choose it again|Five stars|"
            "Love it]{end}"
        ),
        "",
        "",
    ],
    "negative": [
        (
            "[I am very disappointed|I want my money back|I would not recommend it|Never again|"
            "One star]{end}"
        ),
        "",
        "",
    ],
    "neutral": ["[It does the job|Nothing special|Three stars]{end}", "", ""],
    "mixed": [
        "[I have mixed feelings|Not sure if I would choose it again|Good and bad in one]{end}",
        "",
        "",
    ],
}
EN_LEXICON["end"] = [".", ".", "!"]
PLACES = {"hotel", "restaurant", "café", "酒店", "餐厅", "咖啡店"}
TALES = {"book", "film", "game", "书", "电影", "游戏"}

ZH_ASPECTS = {
    "电池": (
        ["电池[能用两天|很耐用|续航很长]", "续航{good}", "电池充电很快"],
        ["电池[半天就没电|不耐用|掉电太快]", "续航{bad}"],
        ["电池{ok}", "续航{ok}"],
    ),
    "屏幕": (
        ["屏幕[{good}|又亮又清晰|很漂亮]", "显示效果{good}"],
        ["屏幕[{bad}|又暗又模糊|容易刮花]", "显示效果{bad}"],
        ["屏幕{ok}"],
    ),
    "相机": (["拍照{good}", "相机[{good}|拍得很清楚]"], ["拍照[{bad}|很模糊]", "相机{bad}"], ["相机{ok}"]),
    "价格": (["价格[{good}|很实惠|很便宜]", "性价比很高", "价格非常划算"], ["价格[太贵|太高|不合理]", "性价比太低"], ["价格{ok}"]),
    "外观": (["外观[{good}|很漂亮|很时尚]", "设计得很好看"], ["外观[{bad}|很丑|很土气]", "设计得很难看"], ["外观{ok}"]),
    "音质": (["音质[{good}|清晰]", "声音很好听"], ["音质[{bad}|很闷]", "声音有杂音"], ["音质{ok}"]),
    "键盘": (["键盘[{good}|手感很好]", "打字很舒服"], ["键盘[{bad}|手感很差]", "按键容易卡住"], ["键盘{ok}"]),
    "性能": (
        ["运行[很快|很流畅]", "性能{good}", "速度{good}"],
        ["运行[很慢|很卡]", "性能{bad}", "经常死机"],
        ["性能{ok}", "速度{ok}"],
    ),
    "质量": (["质量{good}", "做工[{good}|很扎实]"], ["质量{bad}", "用了[一周|两天|一个月]就坏了", "做工{bad}"], ["质量{ok}"]),
    "物流": (
        ["物流[很快|{good}]", "[第二天|很快]就送到了", "发货很快"],
        ["物流[很慢|{bad}]", "等了[两周|半个月]才送到", "送来的时候已经坏了"],
        ["物流{ok}"],
    ),
    "包装": (["包装[{good}|很精美|很结实]"], ["包装[{bad}|破了]", "盒子都压坏了"], ["包装{ok}"]),
    "服务": (["服务[{good}|很周到]", "客服[很耐心|回复很快]"], ["服务[{bad}|很慢]", "客服[不理人|态度很差]"], ["服务{ok}"]),
    "员工": (["员工[很热情|很友好|{good}]", "服务员很亲切"], ["员工[很冷漠|{bad}]", "服务员态度很差"], ["员工{ok}"]),
    "食物": (
        ["菜[很好吃|很新鲜|{good}]", "食物[很美味|{good}]"],
        ["菜[很难吃|太咸|是冷的]", "食物{bad}"],
        ["菜的味道{ok}", "食物{ok}"],
    ),
    "房间": (["房间[很干净|很宽敞|又亮又安静|{good}]"], ["房间[很脏|很吵|太小|{bad}]", "房间有烟味"], ["房间{ok}"]),
    "位置": (["位置[{good}|很方便]", "离[车站|海边|市中心]很近"], ["位置[{bad}|很偏]", "离[车站|市中心]太远"], ["位置{ok}"]),
    "早餐": (["早餐[{good}|很丰富|很好吃]"], ["早餐[{bad}|很难吃|太少]"], ["早餐{ok}"]),
    "舒适度": (["[穿|用]起来很舒服", "非常舒适"], ["[穿|用]起来很不舒服", "一会儿就觉得疼"], ["舒适度{ok}"]),
    "尺寸": (["尺寸[刚刚好|很合适]", "大小很合适"], ["尺寸[太小|太大|不合适]", "大小完全不对"], ["尺寸{ok}"]),
    "剧情": (["剧情[{good}|很感人|很精彩]", "故事很吸引人"], ["剧情[{bad}|很无聊|很混乱]", "故事没有意思"], ["剧情{ok}"]),
    "人物": (["人物[很生动|{good}]", "角色很可爱"], ["人物[很单薄|{bad}]", "角色让人讨厌"], ["人物{ok}"]),
    "味道": (["味道[{good}|很香|很好]", "喝起来很香"], ["味道[{bad}|很苦|很怪]", "喝起来像水"], ["味道{ok}"]),
    "噪音": (["[非常|很]安静", "几乎没有噪音"], ["[非常|太]吵", "噪音[很大|受不了]"], ["噪音{ok}"]),
}
ZH_PRODUCTS = {
    "手机": ["电池", "屏幕", "相机", "价格", "外观", "音质", "性能", "物流", "服务"],
    "笔记本电脑": ["电池", "屏幕", "键盘", "价格", "外观", "性能", "噪音", "质量", "物流"],
    "平板": ["电池", "屏幕", "音质", "价格", "性能", "外观", "物流"],
    "手表": ["电池", "屏幕", "外观", "舒适度", "价格", "质量"],
    "耳机": ["音质", "电池", "舒适度", "价格", "外观", "质量", "包装"],
    "音箱": ["音质", "电池", "价格", "外观", "质量", "物流"],
    "键盘": ["键盘", "噪音", "价格", "外观", "质量", "包装"],
    "酒店": ["房间", "位置", "员工", "早餐", "价格", "服务", "噪音"],
    "餐厅": ["食物", "服务", "价格", "位置", "员工", "噪音"],
    "咖啡店": ["食物", "味道", "服务", "价格", "位置", "员工"],
    "书": ["剧情", "人物", "价格", "物流", "包装"],
    "电影": ["剧情", "人物", "音质"],
    "游戏": ["剧情", "人物", "性能", "价格", "音质"],
    "鞋子": ["舒适度", "尺寸", "外观", "价格", "质量", "物流"],
    "外套": ["舒适度", "尺寸", "外观", "价格", "质量", "包装"],
    "咖啡机": ["味道", "噪音", "价格", "外观", "质量", "服务"],
    "吸尘器": ["噪音", "电池", "价格", "质量", "物流", "服务"],
    "椅子": ["舒适度", "外观", "价格", "质量", "物流", "包装"],
    "背包": ["舒适度", "尺寸", "外观", "价格", "质量", "物流"],
}
ZH_LEXICON = {
    "good": ["很好", "非常好", "很棒", "特别好", "很出色", "让人满意", "好极了", "不错"],
    "bad": ["很差", "非常差", "太差了", "让人失望", "很糟糕", "不好", "不行"],
    "ok": ["一般", "还行", "普通", "马马虎虎", "不好也不坏", "还可以"],
    "relative": ["妈妈", "爸爸", "姐姐", "弟弟", "朋友", "同事", "女儿", "儿子"],
}
ZH = Grammar(ZH_LEXICON)
ZH_OPENERS = [
    "[上周|昨天|上个月]买了这[款|个]{product}。",
    "这[款|个]{product}我用了[两周|三个月|一年|几天]了。",
    "{relative}推荐我买的{product}。",
    "给{relative}买的{product}。",
    "",
    "",
]
ZH_PLACE_OPENERS = ["[上周末|周五|昨晚]和{relative}去了这家{product}。", "第一次来这家{product}。", ""]
ZH_STORY_OPENERS = ["[昨晚|周末]看完了这[部|个]{product}。", "{relative}推荐的{product}。", ""]
ZH_CLOSERS = {
    "positive": ["[强烈推荐|下次还会选|五星好评|非常满意|很喜欢][!|。]", "", ""],
    "negative": ["[非常失望|想退货|不推荐|再也不会来了|一星][!|。]", "", ""],
    "neutral": ["[没什么特别的|凑合能用|三星]。", "", ""],
    "mixed": ["[有好有坏|心情很复杂|不知道该不该推荐]。", "", ""],
}

_LABELS = ("positive", "negative", "neutral")

# Clauses that fit every aspect, by label; `{a}` is the aspect's name.
EN_ANY = (
    [
        "I [love|like|enjoy] the {a}",
        "the {a} could not be better",
        "the {a} is a big plus",
        "{good} {a}",
        "I am [happy|pleased] with the {a}",
        "no complaints about the {a}",
    ],
    [
        "I [hate|dislike|do not like] the {a}",
        "the {a} could be [better|much better]",
        "the {a} is a big minus",
        "{poor} {a}",
        "I am [unhappy|not happy] with the {a}",
        "the {a} let me down",
        "the {a} is not [great|good enough]",
    ],
    ["{fair} {a}", "the {a} is nothing special", "no strong feelings about the {a}"],
)
ZH_ANY = (
    ["[我|]很喜欢它的{a}", "对{a}很满意", "{a}[没的说|值得称赞]", "{a}{good}"],
    ["[我|]不喜欢它的{a}", "对{a}不满意", "{a}让人失望", "{a}需要改进", "{a}{bad}"],
    ["{a}没什么特别", "对{a}没什么感觉", "{a}{ok}"],
)
# Sentences that say nothing about any aspect: the model must not be drawn by every sentence.
EN_ASIDES = [
    "I use it [every day|at work|on weekends].",
    "I [read|saw] many reviews before.",
    "My {relative} [was there too|saw it as well].",
    "It was [raining|a sunny day].",
]
ZH_ASIDES = ["我[每天|周末|上班]都用。", "买之前看了很多评论。", "{relative}也看到了。", "那天下着雨。"]
_TABLES = {
    "en": (EN, EN_ASPECTS, EN_PRODUCTS, EN_OPENERS, EN_PLACE_OPENERS, EN_STORY_OPENERS, EN_CLOSERS),
    "zh": (ZH, ZH_ASPECTS, ZH_PRODUCTS, ZH_OPENERS, ZH_PLACE_OPENERS, ZH_STORY_OPENERS, ZH_CLOSERS),
}


class Review:
    """A review text, its product, its overall label and its (aspect, label) list."""

    def __init__(self, lang, product, text, label, aspects):
        self.lang = lang
        self.product = product
        self.text = text
        self.label = label
        self.aspects = aspects

    def full_json(self):
        """Return the JSON answer with aspects, in the spacing of `json.dumps`."""
        aspects = [{"aspect": name, "sentiment": label} for name, label in self.aspects]
        return json.dumps({"sentiment": self.label, "aspects": aspects}, ensure_ascii=False)

    def short_json(self):
        """Return the JSON answer with the overall sentiment only."""
        return json.dumps({"sentiment": self.label})


def overall(labels):
    """Combine aspect labels: both signs make `mixed`, no sign makes `neutral`."""
    if "positive" in labels and "negative" in labels:
        return "mixed"
    for label in ("positive", "negative"):
        if label in labels:
            return label
    return "neutral"


def _draw_labels(rng, count):
    """Draw aspect labels so that the four overall labels are about equally common."""
    kind = rng.choice(["positive", "negative", "neutral", "mixed", "free"])
    if kind == "mixed":
        labels = ["positive", "negative"] + [rng.choice(_LABELS) for _ in range(count - 2)]
        labels = labels[: max(2, count)]
        rng.shuffle(labels)
        return labels
    if kind == "free":
        return [rng.choice(_LABELS) for _ in range(count)]
    if kind == "neutral":
        return ["neutral"] * min(count, 2)
    return [kind if rng.chance(0.9) else "neutral" for _ in range(count)]


def _join_en(rng, clauses):
    """Join (clause, label) pairs into sentences, with `but` where the sign turns."""
    out, index = [], 0
    while index < len(clauses):
        text, label = clauses[index]
        if index + 1 < len(clauses) and rng.chance(0.5):
            other, other_label = clauses[index + 1]
            turn = {label, other_label} == {"positive", "negative"}
            link = rng.choice(
                [", but ", "; however, ", ", although "] if turn else [" and ", ", and "]
            )
            text += link + other
            index += 1
        out.append(capitalise(text) + rng.choice([".", ".", ".", "!"]))
        index += 1
    return " ".join(out)


def _join_zh(rng, clauses):
    """Chinese counterpart of `_join_en`."""
    out, index = [], 0
    while index < len(clauses):
        text, label = clauses[index]
        if index + 1 < len(clauses) and rng.chance(0.6):
            other, other_label = clauses[index + 1]
            turn = {label, other_label} == {"positive", "negative"}
            text += rng.choice([",但是", ",不过", ",可是"] if turn else [",", ",而且"]) + other
            index += 1
        out.append(text + rng.choice(["。", "。", "!"]))
        index += 1
    return "".join(out)


def _clause(rng, lang, name, label):
    """Return a clause that gives the aspect `name` the label."""
    grammar, table = _TABLES[lang][:2]
    index = _LABELS.index(label)
    if rng.chance(0.75):
        return grammar.pick(rng, table[name][index])
    any_clauses = EN_ANY if lang == "en" else ZH_ANY
    return grammar.pick(rng, any_clauses[index], {"a": name})


def _draw(rng, lang):
    """Draw one review without looking at the split."""
    grammar, _, products, openers, places, tales, closers = _TABLES[lang]
    product = rng.choice(list(products))
    count = min(rng.choice([1, 2, 2, 3, 3, 4]), len(products[product]))
    labels = _draw_labels(rng, count)
    names = rng.sample(products[product], len(labels))
    clauses = [(_clause(rng, lang, name, label), label) for name, label in zip(names, labels)]
    slots = {"product": product}
    first = places if product in PLACES else tales if product in TALES else openers
    opener = grammar.pick(rng, first, slots)
    label = overall(labels)
    closer = grammar.pick(rng, closers[label])
    if rng.chance(0.15):
        aside = grammar.pick(rng, EN_ASIDES if lang == "en" else ZH_ASIDES)
        opener = f"{opener} {aside}".strip() if lang == "en" else opener + aside
    if lang == "en":
        parts = [fix_articles(opener), _join_en(rng, clauses), closer]
        text = " ".join(part for part in parts if part)
    else:
        text = opener + _join_zh(rng, clauses) + closer
    return Review(lang, product, text, label, list(zip(names, labels)))


def review(rng, lang):
    """Draw a review that belongs to the split of `rng`."""
    while True:
        drawn = _draw(rng, lang)
        if rng.accepts(drawn.text):
            return drawn


EN_JSON_ASKS = [
    (
        "[Analyse|Analyze] [this|the following] [review|product review|customer review][ and "
        "answer as JSON with sentiment and aspects| as JSON|. Answer in JSON with sentiment and "
        "aspects|. Reply with JSON only]{sep}"
    ),
    "[Extract|Give me|Return] the sentiment and [the |]aspects of this review [as|in] JSON{sep}",
    (
        "[What is the sentiment of this review|Which aspects does this review mention]? [Answer|"
        "Reply] [as|in|with] JSON [with the keys sentiment and aspects|(sentiment, aspects)]{sep}"
    ),
    (
        "[Read|Take] this review and [output|produce|write] [a JSON object|JSON] with "
        '"sentiment" and "aspects"{sep}'
    ),
    "[Sentiment analysis|Aspect sentiment], [as JSON|JSON output]{sep}",
    "Review to JSON{sep}",
]
# `SCHEMA` stands for the form below: braces and brackets mean something else in templates.
SCHEMA = (
    '{"sentiment": "positive|negative|neutral|mixed", '
    '"aspects": [{"aspect": "...", "sentiment": "..."}]}'
)
EN_JSON_ASKS += [
    "[Analyse|Analyze] this review. [Answer|Reply] in the form SCHEMA{sep}",
    "[Return|Give me] JSON like SCHEMA for this review{sep}",
]
EN_SYSTEMS = [
    (
        "You [analyse|analyze] [product |customer |]reviews. [Answer|Reply] [only |]with JSON: "
        "sentiment and aspects."
    ),
    (
        "You are a review analyser. [For each review, return|Return] a JSON object with "
        '"sentiment" (positive, negative, neutral or mixed) and "aspects".'
    ),
    "[Analyse|Analyze] the review and answer as JSON with sentiment and aspects.",
    "Extract sentiment and aspects as JSON.",
    "[Analyse|Analyze] the review. Answer with JSON: SCHEMA",
]
EN_SHORT_ASKS = [
    "[Is this review positive or negative|What is the sentiment of this review]?{sep}",
    "[Classify|Label] the sentiment of this review{sep}",
    "[Give|Tell me] only the sentiment [of this review|in one word]{sep}",
]
EN_SHORT_JSON_ASKS = [
    "[Classify|Label] the sentiment of this review [as|in] JSON{sep}",
    "[Give|Return] only the [overall |]sentiment as JSON{sep}",
]
EN_LEXICON["sep"] = [":\n", ":\n\n", ": ", ".\n", "\n\n", ":\nReview: "]
ZH_JSON_ASKS = [
    "[请|]分析[这条|下面的|以下][评论|评价][,用JSON回答|,以JSON格式输出情感和方面|,输出JSON,包含sentiment和aspects]{sep}",
    "[提取|请提取]这条评论的情感和方面,[用|以]JSON[格式|][输出|回答]{sep}",
    "[这条评论的情感是什么|这条评论提到了哪些方面]?[请|]用JSON回答{sep}",
    "[情感分析|方面情感分析],JSON[输出|格式]{sep}",
    "把[这条评论|下面的评论]转成JSON{sep}",
]
ZH_JSON_ASKS += ["分析这条评论,按SCHEMA的格式输出{sep}"]
ZH_SYSTEMS = [
    "你是一个评论分析助手,只用JSON回答,包含sentiment和aspects。",
    "分析用户的评论,以JSON格式输出情感和方面。",
    "你负责分析评论。请输出JSON:sentiment和aspects。",
]
ZH_SHORT_ASKS = [
    "[这条评论是正面还是负面的|这条评论的情感是什么]?{sep}",
    "[请|]判断[这条评论|下面评论]的情感{sep}",
]
ZH_SHORT_JSON_ASKS = ["[请|]判断这条评论的情感,[只|]用JSON回答{sep}", "只输出总体情感的JSON{sep}"]
ZH_LEXICON["sep"] = [":\n", ":", "。\n", "\n\n", ":\n评论:"]

ZH_NAMES = {"positive": "正面", "negative": "负面", "neutral": "中性", "mixed": "有好有坏"}


def json_turn(rng, lang):
    """Return (question, JSON answer, system prompt or None, the review)."""
    drawn = review(rng, lang)
    grammar = _TABLES[lang][0]
    asks, systems = (EN_JSON_ASKS, EN_SYSTEMS) if lang == "en" else (ZH_JSON_ASKS, ZH_SYSTEMS)
    system, question = None, None
    if rng.chance(0.35):
        system = grammar.pick(rng, systems)
        prefix = rng.choice(["", "", "Review: " if lang == "en" else "评论:"])
        question = prefix + drawn.text if rng.chance(0.7) else None
    if question is None:
        question = grammar.pick(rng, asks) + drawn.text
        if rng.chance(0.2):
            ask = grammar.expand(rng, rng.choice(asks).replace("{sep}", ""))
            question = f"{drawn.text}\n\n{ask}" + rng.choice(
                [".", ""] if lang == "en" else ["。", ""]
            )
    system = system and system.replace("SCHEMA", SCHEMA)
    return question.replace("SCHEMA", SCHEMA), drawn.full_json(), system, drawn


def short_turn(rng, lang):
    """Return (question, answer) asking only for the overall sentiment."""
    drawn = review(rng, lang)
    grammar = _TABLES[lang][0]
    if rng.chance(0.4):
        asks = EN_SHORT_JSON_ASKS if lang == "en" else ZH_SHORT_JSON_ASKS
        return grammar.pick(rng, asks) + drawn.text, drawn.short_json()
    if lang == "en":
        return grammar.pick(rng, EN_SHORT_ASKS) + drawn.text, drawn.label.capitalize() + "."
    return grammar.pick(rng, ZH_SHORT_ASKS) + drawn.text, ZH_NAMES[drawn.label] + "。"


EN_WRITE_ASKS = [
    "[Write|Give me] a [short |]{label} review of a {product}[.|]",
    "[Please|Can you] write a {label} [review|product review] [about|for] a {product}[.|?]",
]
ZH_WRITE_ASKS = ["[请|]写一条关于{product}的{label}评论[。|]", "帮我写一条{product}的{label}评价[。|]"]
ZH_KINDS = {"positive": "正面", "negative": "负面", "neutral": "中性", "mixed": "有好有坏的"}


def write_turn(rng, lang):
    """Return (question, review text): the model writes the review itself."""
    drawn = review(rng, lang)
    if lang == "en":
        slots = {"label": drawn.label, "product": drawn.product}
        return fix_articles(EN.pick(rng, EN_WRITE_ASKS, slots)), drawn.text
    slots = {"label": ZH_KINDS[drawn.label], "product": drawn.product}
    return ZH.pick(rng, ZH_WRITE_ASKS, slots), drawn.text
