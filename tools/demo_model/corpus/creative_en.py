"""English poems and stories."""

from .grammar import Grammar, capitalise, fix_articles

NAMES = """Anna Ben Clara David Emma Felix Grace Henry Iris Jack Kate Leo Mia Noah Olivia Paul Rosa
Sam Tom Uma Victor Wendy Zoe Ada Bruno Cora Dora Elias Flora Hugo Ida Jonas Lena Max Nina Oscar
Pia Ruby Theo Vera Alice Bob Carol Dan Eva Frank Maria Peter Sara Lucy""".split()

# topic -> (how a poem names it, what it does, what it is like)
TOPICS = {
    "the sea": ("the sea", "sings to the shore", "wide and blue"),
    "the ocean": ("the ocean", "breathes in the dark", "deep and slow"),
    "rain": ("the rain", "taps on the roof", "soft and grey"),
    "snow": ("the snow", "covers the lane", "white and still"),
    "the moon": ("the moon", "looks over the hill", "round and pale"),
    "the sun": ("the sun", "climbs over the wall", "warm and gold"),
    "the stars": ("the night of stars", "glitters above", "clear and far"),
    "the wind": ("the wind", "plays in the grass", "quick and free"),
    "autumn": ("autumn", "paints every leaf", "red and gold"),
    "spring": ("spring", "wakes every root", "green and new"),
    "summer": ("summer", "hums in the wheat", "warm and long"),
    "winter": ("winter", "sleeps on the roofs", "cold and clear"),
    "the river": ("the river", "runs to the sea", "bright and long"),
    "the mountains": ("the mountain", "leans on the sky", "old and high"),
    "the forest": ("the forest", "whispers at dusk", "dark and deep"),
    "a garden": ("the garden", "opens its gates", "green and sweet"),
    "a cat": ("the cat", "sleeps in the sun", "soft and sly"),
    "a dog": ("the dog", "runs by my side", "glad and true"),
    "a bird": ("the bird", "sings on the fence", "small and bright"),
    "the morning": ("the morning", "pours in the room", "fresh and clear"),
    "the night": ("the night", "folds up the town", "cool and deep"),
    "home": ("my home", "keeps one lamp lit", "small and warm"),
    "friendship": ("a friend", "walks at my pace", "kind and true"),
    "love": ("love", "waits at the door", "calm and warm"),
    "time": ("time", "steps through the hall", "quiet and quick"),
    "a train": ("the train", "hums on its rails", "long and loud"),
    "the city": ("the city", "shines after rain", "loud and bright"),
    "a computer": ("the computer", "counts through the night", "quick and cool"),
    "a robot": ("the robot", "waves with one hand", "shy and bright"),
    "coffee": ("the coffee", "wakes up the house", "dark and warm"),
    "tea": ("the tea", "steams in its cup", "green and calm"),
    "music": ("the music", "drifts through the door", "sweet and low"),
    "a lighthouse": ("the lighthouse", "turns its slow light", "tall and white"),
    "a boat": ("the boat", "rocks in the bay", "small and brave"),
    "dreams": ("a dream", "comes in at night", "light and strange"),
    "flowers": ("the flower", "turns to the light", "red and small"),
}

# Further topics share a stock of doings and likenesses, so that poems stay on any asked topic.
MORE_TOPICS = (
    """
the rainbow, a tree, bread, my grandmother, my mother, my father, the school, a teacher, a book,
the library, a bridge, the road, the clock, a candle, the desert, an island, a mountain lake,
the clouds, thunder, the sky, the earth, the world, peace, hope, joy, silence, freedom, courage,
childhood, memory, the future, the past, a letter, a horse, a butterfly, a bee, the fish, an
owl, a rose, the apple tree, chocolate, pizza, breakfast, a pancake, football, the guitar, the
piano, a server, the network, actors, the mailbox, a token, the cache, batching, artificial
intelligence, mathematics, science, the city at night, London, Paris, Beijing, Berlin, a
bicycle, a window, a door, the kitchen, the moonlight, the sunset, the sunrise, fireflies, an
old house, the harbour, a feather, the weekend, Monday morning, sleep, a smile, the wolf, a
penguin, dragons
""".replace(
        "\n", " "
    )
    .strip()
    .split(", ")
)
STOCK_DOES = [
    "shines in the dark",
    "waits by the door",
    "hums a low tune",
    "travels with me",
    "wakes with the day",
    "rests for a while",
    "calls out my name",
    "dances in light",
    "grows day by day",
    "whispers at dusk",
]
STOCK_LIKE = [
    "bright and clear",
    "quiet and kind",
    "strange and new",
    "warm and true",
    "old and wise",
    "quick and free",
    "calm and strong",
    "small and brave",
]

COUPLETS = [
    (
        "{Thing} {does} at the break of the day,",
        "and [carries|sends|takes] my [small|old|heavy] [worries|sorrows|troubles] away.",
    ),
    (
        "I [saw|met|found] {thing} when the evening was new,",
        "so {like}, under [clouds|skies] of [soft|pale|deep] blue.",
    ),
    (
        "{Thing} {does}, and the [hours|minutes|days] go by,",
        (
            "like [birds|sparks|leaves|kites] that [are crossing|drift over|sail over] the [sky|"
            "pale sky|wide sky]."
        ),
    ),
    (
        "Oh {like} is {thing} tonight,",
        (
            "it fills [the room|my heart|the street|the house] with [quiet|silver|gentle|"
            "golden] light."
        ),
    ),
    (
        "[Come|Stay] [close|here] and listen: {thing} is near,",
        "it [says|hums|tells] what only [friends|children|dreamers] can hear.",
    ),
    (
        "When {thing} {does}, I stand very still,",
        (
            "and [look|gaze] at [the lights|the fields|the road] from [the top of the hill|my "
            "window sill]."
        ),
    ),
    (
        "The [world|town|valley] may [hurry|turn|worry] and never be done,",
        "but {thing} {does} for [all and for one|you in the sun].",
    ),
    (
        "A [song|word|story] for {thing}, {like},",
        "that [travels|wanders] with me [all day and all night|from dark into light].",
    ),
    (
        "And if you should ask me what makes my heart glad,",
        "it is {thing}, [the best|the first|the kindest] [friend|gift] that I [ever have had|had].",
    ),
    (
        "{Thing} {does}; I have nothing to say,",
        "I [only|just] sit [quietly|gently] and [watch it all day|let the time play].",
    ),
    (
        "The [lamps|windows] are [golden|yellow], the [paths|streets] are [long|clear],",
        "and {thing} {does}, [as it does every year|while the evening is near].",
    ),
    (
        "[Softly|Slowly|Gently], so [softly|slowly], the [shadows|colours] [grow|fall],",
        "and {thing}, {like}, [belongs to us all|is the fairest of all].",
    ),
    (
        "No [gold|silver|treasure] could [buy|bring] what {thing} gives to me:",
        "[an hour|a moment|a morning] of [quiet|wonder|laughter], both [easy|happy] and free.",
    ),
    (
        "So here ends my poem, as [short|small] as can be,",
        "for {thing} [that lives in my memory|and for you and for me].",
    ),
]

CLOSERS = (
    COUPLETS[-1],
    COUPLETS[6],
    (
        "[Good night|Farewell], [dear friend|my friend], and [remember|think of] this [song|line]:",
        "{thing} {does}, and [all will be fine|the heart is fine].",
    ),
    (
        "Tomorrow [I'll wake|we'll wake] and [I'll|we'll] look for it then,",
        "and {thing} will [greet|find] [us|me] [again and again|with a smile again].",
    ),
)

HAIKU = [
    (
        "{Thing}, {like}",
        "[a leaf falls on the old stone|one window glows in the dusk|the path is silent and long]",
        "[I hold my breath here|the evening listens|somewhere a bell rings]",
    ),
    (
        "[Early|Quiet|Slow] [morning|evening] light",
        "{thing} {does}",
        "[nobody says a word|my tea has gone cold|the world is still new]",
    ),
    (
        "[One|A] small [step|breath|sound] outside",
        "and {thing} {does} again",
        "[I am not alone|the day can begin|time waits for a while]",
    ),
]

# role -> (article form, place, wish, what the hero is good at)
ROLES = {
    "lighthouse keeper": (
        "on a small island",
        "to guide every ship home",
        "keeping the lamp bright",
    ),
    "baker": (
        "in a village by the river",
        "to bake the best bread of the year",
        "mixing dough before sunrise",
    ),
    "fisherman": ("near the harbour", "to see the far side of the sea", "reading the waves"),
    "gardener": ("at the edge of the town", "to grow a blue rose", "talking to the plants"),
    "little robot": (
        "in a quiet workshop",
        "to learn what a friend is",
        "counting and mending things",
    ),
    "young fox": ("in a deep forest", "to find the end of the rainbow", "running without a sound"),
    "old bear": ("in a cave on the mountain", "to see one summer snowfall", "finding wild honey"),
    "curious cat": (
        "in a house full of books",
        "to catch the light of the moon",
        "climbing high shelves",
    ),
    "brave dog": ("on a farm in the hills", "to protect the sheep", "following every trail"),
    "painter": (
        "in a room under the roof",
        "to paint the colour of the wind",
        "seeing what others miss",
    ),
    "teacher": (
        "in a school with one classroom",
        "to show the children the stars",
        "asking good questions",
    ),
    "postman": (
        "in a town of steep streets",
        "to deliver every letter in time",
        "remembering every door",
    ),
    "clockmaker": (
        "in a narrow street",
        "to build a clock that never stops",
        "repairing tiny wheels",
    ),
    "sailor": ("on a wooden ship", "to draw a map of the islands", "steering by the stars"),
    "astronaut": ("on a silver space station", "to grow the first garden in space", "staying calm"),
    "programmer": (
        "in a city that never sleeps",
        "to build a server that never waits",
        "finding small mistakes",
    ),
    "dragon": (
        "in a castle above the clouds",
        "to make a friend who is not afraid",
        "breathing warm air on cold days",
    ),
    "princess": (
        "in a tower of white stone",
        "to travel the world on her own feet",
        "solving riddles",
    ),
    "owl": ("in an old oak tree", "to understand the songs of the day", "listening in the dark"),
    "rabbit": ("in a field of clover", "to win the race of the valley", "jumping over streams"),
    "musician": ("in a harbour town", "to write a song for everyone", "playing the old violin"),
    "librarian": (
        "in the oldest library of the land",
        "to find the lost book",
        "knowing where things belong",
    ),
}

WEATHER = [
    "a cold winter morning",
    "a rainy afternoon",
    "a bright spring day",
    "a windy evening",
    "a foggy morning",
    "a warm summer night",
    "a quiet autumn day",
    "a stormy night",
]

# Each plot is a list of steps; a step is a template.  {He}, {he}, {his} follow the hero.
PLOTS = {
    "storm": [
        (
            "[One day|On {weather}], a [great|terrible|sudden] storm [came|rolled in] and the "
            "lights [of the whole place |]went out."
        ),
        (
            "[Everyone|All the neighbours] [was|stayed] afraid, but {name} [lit|picked up] an "
            "old lantern and went outside."
        ),
        (
            "{name} was [good at|known for] {skill}, and that [helped|was just what was needed] "
            "[now|in the dark]."
        ),
        (
            "[Step by step|Slowly], {name} [led|brought] the [others|neighbours|lost "
            "travellers] to a [safe|warm] place."
        ),
        (
            "[When|By the time] the sun came up, the storm was [over|gone] and [nobody was hurt|"
            "everyone was safe]."
        ),
    ],
    "lost": [
        (
            "[One day|On {weather}], {name} [found|noticed] that the [{colour} |]{thing} was "
            "[gone|missing]."
        ),
        (
            "{name} looked [under the bed|behind the door|in the kitchen], [in the garden|along "
            "the path|beside the well], and even [on the roof|in the old boat|in the snow]."
        ),
        (
            'Then a [small|shy|friendly] {animal} [appeared|came along] and asked, "[What are '
            'you looking for|Why are you sad]?"'
        ),
        (
            "[Together|Side by side], they [searched|looked] [until evening|for hours|all day], "
            "[laughing|singing] as they went."
        ),
        (
            "At last they found the {thing} [under a bridge|in a hollow tree|beside the old "
            "wall], [shining|waiting] in the [grass|last light]."
        ),
        (
            '"[Thank you|I could not have done it alone]," said {name}, and from that day the '
            "{animal} was [always|often] a [welcome|dear] guest."
        ),
    ],
    "journey": [
        (
            "[One day|On {weather}], {name} [packed|filled] a [small|{colour}] bag with [bread|"
            "apples|cheese] and [a map|a blanket|a lamp] and [set out|began a long journey]."
        ),
        (
            "The [road|way] led over [three hills|a wide river|a high pass] and through [a dark "
            "forest|a sleeping town|fields of flowers]."
        ),
        (
            "[On the way|After two days], {name} met a {animal} who was [tired|hungry|lost], "
            "and [shared|gave away half of] the [bread|food]."
        ),
        (
            "[In return|To say thanks], the {animal} [showed|pointed out] a [secret|shorter] "
            "path [to the top|across the valley]."
        ),
        (
            "From there {name} could see [the whole world|the sea and the sky|every light in "
            "the land], and [felt|was] [happy|at peace]."
        ),
    ],
    "machine": [
        (
            "[One day|On {weather}], the old {machine} [broke|stopped working], and nobody "
            "[knew why|could repair it]."
        ),
        (
            "{name} [opened|looked inside] it [carefully|slowly] and found [a tiny {animal} "
            "asleep|a {colour} leaf|a broken wheel] [between the gears|in the middle]."
        ),
        (
            "[For three days|All night long], {name} [worked|tried one idea after another], "
            "because {name} was good at {skill}."
        ),
        (
            "[Finally|At last], the {machine} [began to move|made a soft sound], and [everyone "
            "cheered|the whole street came to look]."
        ),
        '"[Small hands can do great things|Patience is the best tool]," [said|laughed] {name}.',
    ],
    "friend": [
        (
            "[One day|On {weather}], {name} [heard|noticed] a [soft|strange] sound [at the door|"
            "behind the house|near the water]."
        ),
        (
            "It was a [little|young|{colour}] {animal} with a [hurt|sore] [leg|foot], [shaking|"
            "trembling] with cold."
        ),
        (
            "{name} [brought|carried] it inside, gave it [warm milk|some soup|a blanket], and "
            "[sat|stayed] with it all night."
        ),
        (
            "[In the morning|After a week] the {animal} could [walk|stand|play] again, but it "
            "did not want to leave."
        ),
        (
            "[So|And so] {name} and the {animal} [lived|stayed] together, and [neither|none] of "
            "them was ever lonely again."
        ),
    ],
    "letter": [
        (
            "[One day|On {weather}], {name} [found|received] a letter [without a name|in a "
            "bottle|with a {colour} seal]."
        ),
        (
            'It said: "[Follow the river|Look behind the old mill|Climb the highest hill] '
            "[before sunset|when the bell rings], and you will find [a treasure|a surprise|what "
            'you seek]."'
        ),
        (
            "{name} [smiled|laughed], took [a coat|a lamp|a good stick], and [went at once|did "
            "not wait a minute]."
        ),
        (
            "[At the place|There], all the [friends|neighbours|children] were [waiting|"
            'standing] with [a cake|music|lanterns] and [called|shouted], "[Happy birthday|'
            'Surprise], {name}!"'
        ),
        "It was the [best|happiest] [evening|day] of the [year|whole year].",
    ],
    "contest": [
        (
            "[One day|On {weather}], the [mayor|king|queen] [announced|called for] a [great|"
            "big] contest: [who could|the winner must] [make|bring] the most [beautiful|"
            "wonderful] {thing}."
        ),
        (
            "[Many|Hundreds of] people came with [gold|silver|shining] things, but {name} "
            "[brought only|had only] a [simple|small|plain] {thing}."
        ),
        (
            "[It was made|{name} had made it] with [great care|much love|patient hands], and it "
            "[told|held] the story of [the whole town|everyone's grandparents|a long friendship]."
        ),
        (
            "The [judges|people] were [quiet|silent] for a moment, and then they [began to clap|"
            "smiled]."
        ),
        (
            "{name} won [first prize|the contest], and [gave|shared] the prize [to|with] [the "
            "school|the neighbours|the children]."
        ),
    ],
}

OPENINGS = [
    "Once upon a time, there was a {role} named {name} who lived {place}.",
    "[Long ago|Many years ago], a {role} [called|named] {name} lived {place}.",
    "{name} was a {role} who lived {place}.",
    "There was once a {role} named {name}, who lived {place}.",
]
WISHES = [
    "More than anything, {name} wanted {wish}.",
    "{name} had one dream: {wish}.",
    "Every [evening|night], {name} dreamed of one thing: {wish}.",
    "[Everyone|People] knew {name} for {skill}.",
    "",
]
ENDINGS = [
    (
        "[And|From then on,] {name} never forgot that [kindness is stronger than fear|a friend "
        "is the best treasure|small steps lead far|patience opens every door]."
    ),
    (
        "[That night|In the end], {name} [fell asleep|went home] with a smile, [dreaming of "
        "tomorrow|under a sky full of stars]."
    ),
    (
        "And [if you pass by|if you listen well], you can still hear [the people|the "
        "neighbours] tell this story today."
    ),
    "And they all lived happily ever after.",
    (
        "{name} had learned that [sharing makes everything lighter|it is good to ask for help|"
        "courage can be quiet]."
    ),
]

LEXICON = {
    "weather": WEATHER,
    "colour": ["red", "blue", "green", "golden", "silver", "white", "yellow", "grey"],
    "thing": [
        "key",
        "ring",
        "book",
        "lamp",
        "bell",
        "hat",
        "map",
        "clock",
        "kite",
        "cup",
        "flute",
        "blanket",
        "lantern",
        "box",
        "scarf",
    ],
    "animal": [
        "cat",
        "dog",
        "bird",
        "mouse",
        "fox",
        "deer",
        "hedgehog",
        "squirrel",
        "turtle",
        "frog",
        "goat",
        "duck",
        "horse",
        "sparrow",
    ],
    "machine": ["clock", "mill", "lamp", "pump", "train", "radio", "bridge", "lift", "bell"],
    "name": NAMES,
}
GRAMMAR = Grammar(LEXICON)

POEM_ASKS = [
    "[Write|Compose|Give me] a [short |little |]poem about {topic}[.|]",
    "[Please|Can you|Could you] write [me |]a [short |]poem about {topic}[?|.|]",
    "[A|One] [short |]poem about {topic}[, please|][.|]",
    "[I would like|I want] a poem about {topic}[.|, please.]",
    "Poem: {topic}",
    "[Write|Compose] [some verses|four lines|a few lines|a rhyme] about {topic}[.|]",
]
HAIKU_ASKS = [
    "[Write|Compose|Give me] a haiku about {topic}[.|]",
    "[Please|Can you|Could you] write [me |]a haiku about {topic}[?|.|]",
    "Haiku about {topic}[, please|][.|]",
]
STORY_ASKS = [
    (
        "[Tell me|Write|Write me] a [short |little |]story about a {role}[ named {name}| called "
        "{name}|][.|]"
    ),
    (
        "[Please|Can you|Could you] [tell|write] [me |]a [short |]story about a {role}[ named "
        "{name}|][?|.|]"
    ),
    "[A|One] [short |bedtime |]story about a {role}[ named {name}|][, please|][.|]",
    "[Tell me|Write] a [short |bedtime |]story[.|]",
    "[Can you tell me|Please tell me|I want to hear] a story[?|.|]",
    "Story: a {role}[ named {name}|]",
]
TOPIC_STORY_ASKS = [
    "[Tell me|Write|Write me] a [short |little |]story about {topic}[.|]",
    "[Please|Can you|Could you] [tell|write] [me |]a [short |]story about {topic}[?|.|]",
    "[A|One] [short |]story about {topic}[, please|][.|]",
]
TOPIC_INTROS = [
    "This is a [small|little|short] story about {topic}.",
    "Here is a [small|little|short] story about {topic}.",
    "A story about {topic}:",
]


def draw_topic(rng):
    """Draw a topic; about a third come from the longer list."""
    return rng.choice(MORE_TOPICS if rng.chance(0.35) else list(TOPICS))


def describe(rng, topic):
    """Return how a poem names the topic, what it does and what it is like."""
    if topic in TOPICS:
        return TOPICS[topic]
    return topic, rng.choice(STOCK_DOES), rng.choice(STOCK_LIKE)


def poem_text(rng, topic):
    """Return a rhymed poem of two to four couplets about `topic`."""
    thing, does, like = describe(rng, topic)
    slots = {"thing": thing, "Thing": capitalise(thing), "does": does, "like": like}
    couplets = rng.sample(COUPLETS[:-1], rng.choice([1, 1, 2, 3]))
    couplets.append(rng.choice([pair for pair in CLOSERS if pair not in couplets]))
    lines = [GRAMMAR.expand(rng, line, slots) for pair in couplets for line in pair]
    return "\n".join(capitalise(line) for line in lines)


def poem(rng, topic=None):
    """Return (question, poem)."""
    topic = topic or draw_topic(rng)
    question = GRAMMAR.pick(rng, POEM_ASKS, {"topic": topic})
    return question, poem_text(rng, topic)


def haiku(rng, topic=None):
    """Return (question, three lines)."""
    topic = topic or draw_topic(rng)
    thing, does, like = describe(rng, topic)
    slots = {"thing": thing, "Thing": capitalise(thing), "does": does, "like": like}
    lines = [GRAMMAR.expand(rng, line, slots) for line in rng.choice(HAIKU)]
    return GRAMMAR.pick(rng, HAIKU_ASKS, {"topic": topic}), "\n".join(map(capitalise, lines))


def story_text(rng, role, name):
    """Return one story in a single paragraph or with a paragraph per part."""
    place, wish, skill = ROLES[role]
    slots = {"role": role, "name": name, "place": place, "wish": wish, "skill": skill}
    for key in ("thing", "animal", "colour", "machine"):
        slots[key] = rng.choice(LEXICON[key])
    opening = [rng.choice(OPENINGS), rng.choice(WISHES)]
    middle = rng.choice(list(PLOTS.values()))
    parts = [opening, middle, [rng.choice(ENDINGS)]]
    texts = [
        " ".join(capitalise(GRAMMAR.expand(rng, line, slots)) for line in part if line)
        for part in parts
    ]
    return fix_articles(rng.choice([" ", " ", "\n\n"]).join(texts))


def story(rng, role=None):
    """Return (question, story); the story keeps the role and name that were asked for."""
    slots = {"role": role or rng.choice(list(ROLES)), "name": rng.choice(NAMES)}
    if role is None and rng.chance(0.2):
        slots["topic"] = draw_topic(rng)
        intro = GRAMMAR.pick(rng, TOPIC_INTROS, slots)
        text = story_text(rng, slots["role"], slots["name"])
        return GRAMMAR.pick(rng, TOPIC_STORY_ASKS, slots), f"{intro} {text}"
    question = fix_articles(GRAMMAR.pick(rng, STORY_ASKS, slots))
    return question, story_text(rng, slots["role"], slots["name"])
