"""Aligned English and Chinese sentences from one set of paired templates."""

import re

from .grammar import capitalise, fix_articles

PAIRS = {
    "who": [("I", "我"), ("you", "你"), ("we", "我们"), ("they", "他们"), ("my friends", "我的朋友们"),
            ("the children", "孩子们"), ("my parents", "我的父母"), ("the students", "学生们"), ("people", "人们")],
    "one": [("he", "他"), ("she", "她"), ("my mother", "我妈妈"), ("my father", "我爸爸"), ("the teacher", "老师"),
            ("the doctor", "医生"), ("my sister", "我姐姐"), ("my brother", "我弟弟"), ("Anna", "安娜"),
            ("Tom", "汤姆"), ("the cat", "猫"), ("the dog", "狗"), ("the girl", "女孩"), ("the boy", "男孩")],
    "like": [("like", "喜欢"), ("love", "热爱"), ("need", "需要"), ("want", "想要"), ("hate", "讨厌")],
    "likes": [("likes", "喜欢"), ("loves", "热爱"), ("needs", "需要"), ("wants", "想要")],
    "thing": [("apples", "苹果"), ("music", "音乐"), ("books", "书"), ("coffee", "咖啡"), ("tea", "茶"),
              ("rice", "米饭"), ("fish", "鱼"), ("flowers", "花"), ("water", "水"), ("bread", "面包"),
              ("milk", "牛奶"), ("noodles", "面条"), ("films", "电影"), ("games", "游戏"), ("cats", "猫"),
              ("dogs", "狗"), ("soup", "汤"), ("eggs", "鸡蛋"), ("oranges", "橙子"), ("dumplings", "饺子")],
    "place": [("the school", "学校"), ("the park", "公园"), ("the library", "图书馆"), ("the hospital", "医院"),
              ("the station", "车站"), ("the market", "市场"), ("the beach", "海边"), ("the shop", "商店"),
              ("the museum", "博物馆"), ("the airport", "机场"), ("the restaurant", "餐厅"), ("the office", "办公室")],
    "city": [("Beijing", "北京"), ("Shanghai", "上海"), ("London", "伦敦"), ("Paris", "巴黎"), ("Berlin", "柏林"),
             ("Tokyo", "东京"), ("New York", "纽约"), ("Rome", "罗马"), ("China", "中国"), ("France", "法国")],
    "day": [("today", "今天"), ("tomorrow", "明天"), ("on Monday", "星期一"), ("on Sunday", "星期天"),
            ("this evening", "今天晚上"), ("next week", "下周"), ("in the morning", "早上"), ("on Friday", "星期五")],
    "weather": [("cold", "很冷"), ("hot", "很热"), ("warm", "很暖和"), ("fine", "很好"), ("bad", "很糟糕"), ("beautiful", "很美")],
    "noun": [("the book", "这本书"), ("the house", "这座房子"), ("the car", "这辆车"), ("the film", "这部电影"),
             ("the city", "这座城市"), ("the food", "这里的食物"), ("the river", "这条河"), ("the song", "这首歌"),
             ("the phone", "这部手机"), ("the garden", "这个花园"), ("the question", "这个问题"), ("the model", "这个模型"),
             ("the server", "这台服务器"), ("the answer", "这个答案"), ("the room", "这个房间"), ("the computer", "这台电脑")],
    "quality": [("big", "大"), ("small", "小"), ("beautiful", "漂亮"), ("expensive", "贵"), ("interesting", "有趣"),
                ("old", "旧"), ("new", "新"), ("good", "好"), ("fast", "快"), ("slow", "慢"), ("simple", "简单"),
                ("important", "重要"), ("difficult", "难"), ("quiet", "安静"), ("clean", "干净")],
    "verb": [("read books", "看书"), ("drink tea", "喝茶"), ("eat noodles", "吃面条"), ("learn Chinese", "学中文"),
             ("learn English", "学英语"), ("play football", "踢足球"), ("listen to music", "听音乐"), ("cook dinner", "做晚饭"),
             ("watch films", "看电影"), ("write letters", "写信"), ("go home", "回家"), ("swim", "游泳"), ("run", "跑步"),
             ("sing", "唱歌"), ("work", "工作"), ("sleep", "睡觉"), ("travel", "旅行"), ("take photos", "拍照")],
    "number": [("two", "两"), ("three", "三"), ("four", "四"), ("five", "五"), ("six", "六"), ("seven", "七"),
               ("eight", "八"), ("nine", "九"), ("ten", "十")],
    "count": [("apples", "个苹果"), ("books", "本书"), ("cats", "只猫"), ("dogs", "只狗"), ("cups of tea", "杯茶"),
              ("cups of coffee", "杯咖啡"), ("friends", "个朋友"), ("questions", "个问题"), ("letters", "封信"),
              ("flowers", "朵花"), ("tickets", "张票"), ("birds", "只鸟")],
    "job": [("a teacher", "老师"), ("a doctor", "医生"), ("a student", "学生"), ("an engineer", "工程师"),
            ("a writer", "作家"), ("a driver", "司机"), ("a cook", "厨师"), ("a nurse", "护士"), ("a singer", "歌手")],
    "where": [("on the table", "在桌子上"), ("in the box", "在盒子里"), ("under the bed", "在床下"), ("at home", "在家"),
              ("in the garden", "在花园里"), ("by the window", "在窗边"), ("in the kitchen", "在厨房里")],
    "object": [("my book", "我的书"), ("your phone", "你的手机"), ("the key", "钥匙"), ("his hat", "他的帽子"),
               ("her bag", "她的包"), ("the cup", "杯子"), ("the letter", "信"), ("my coat", "我的外套")],
}

SENTENCES = [
    ("{who} {like} {thing}.", "{who}{like}{thing}。"),
    ("{one} {likes} {thing}.", "{one}{likes}{thing}。"),
    ("{who} do not like {thing}.", "{who}不喜欢{thing}。"),
    ("Do you like {thing}?", "你喜欢{thing}吗?"),
    ("{day}, {who} will go to {place}.", "{day}{who}会去{place}。"),
    ("{who} are going to {place} {day}.", "{who}{day}要去{place}。"),
    ("{one} is in {place}.", "{one}在{place}。"),
    ("Where is {place}?", "{place}在哪里?"),
    ("How do I get to {place}?", "去{place}怎么走?"),
    ("{who} live in {city}.", "{who}住在{city}。"),
    ("{one} lives in {city}.", "{one}住在{city}。"),
    ("The weather in {city} is {weather} {day}.", "{city}{day}天气{weather}。"),
    ("The weather is {weather} {day}.", "{day}天气{weather}。"),
    ("{noun} is very {quality}.", "{noun}很{quality}。"),
    ("{noun} is not {quality}.", "{noun}不{quality}。"),
    ("I think {noun} is too {quality}.", "我觉得{noun}太{quality}了。"),
    ("{who} want to {verb}.", "{who}想{verb}。"),
    ("{one} wants to {verb} {day}.", "{one}{day}想{verb}。"),
    ("{who} can {verb}.", "{who}会{verb}。"),
    ("Can you {verb}?", "你会{verb}吗?"),
    ("{who} {verb} every day.", "{who}每天{verb}。"),
    ("I have {number} {count}.", "我有{number}{count}。"),
    ("{one} bought {number} {count}.", "{one}买了{number}{count}。"),
    ("There are {number} {count} {where}.", "{where}有{number}{count}。"),
    ("{one} is {job}.", "{one}是{job}。"),
    ("I want to be {job}.", "我想当{job}。"),
    ("{object} is {where}.", "{object}{where}。"),
    ("Where is {object}?", "{object}在哪里?"),
    ("Please give me {object}.", "请把{object}给我。"),
]
FIXED = [
    ("Good morning!", "早上好!"), ("Good evening!", "晚上好!"), ("Good night.", "晚安。"), ("Hello!", "你好!"),
    ("Hello, world!", "你好,世界!"), ("Thank you very much.", "非常感谢。"), ("Thank you.", "谢谢。"),
    ("You are welcome.", "不客气。"), ("How are you?", "你好吗?"), ("I am fine, thank you.", "我很好,谢谢。"),
    ("What is your name?", "你叫什么名字?"), ("Nice to meet you.", "很高兴认识你。"), ("See you tomorrow.", "明天见。"),
    ("Goodbye!", "再见!"), ("I love you.", "我爱你。"), ("Happy birthday!", "生日快乐!"), ("Happy New Year!", "新年快乐!"),
    ("How much is this?", "这个多少钱?"), ("What time is it?", "现在几点了?"), ("I do not understand.", "我不明白。"),
    ("Please speak slowly.", "请说慢一点。"), ("Where are you from?", "你从哪里来?"), ("I am hungry.", "我饿了。"),
    ("I am tired.", "我累了。"), ("It is raining.", "下雨了。"), ("No problem.", "没问题。"), ("Welcome!", "欢迎!"),
    ("I am sorry.", "对不起。"), ("Excuse me.", "打扰一下。"), ("Have a nice day!", "祝你今天愉快!"),
    ("The sun is shining.", "阳光明媚。"), ("I miss you.", "我想你。"), ("Cheers!", "干杯!"), ("Good luck!", "祝你好运!"),
    ("The model is running.", "模型正在运行。"), ("The server is fast.", "服务器很快。"),
]

TO_ZH = [
    "[Translate|Please translate] [to|into] Chinese: {text}",
    "Translate [this|the following] [sentence |]into Chinese: {text}",
    "Translate \"{text}\" into Chinese[.|]",
    "How do you say \"{text}\" in Chinese?",
    "把“{text}”翻译成中文[。|]",
    "[请|]翻译成中文:{text}",
    "English to Chinese: {text}",
]
TO_EN = [
    "[Translate|Please translate] [to|into] English: {text}",
    "Translate [this|the following] [sentence |]into English: {text}",
    "Translate “{text}” into English[.|]",
    "How do you say “{text}” in English?",
    "把“{text}”翻译成英文[。|]",
    "[请|]翻译成英[文|语]:{text}",
    "“{text}”用英语怎么说?",
    "Chinese to English: {text}",
]


def sentence_pair(rng):
    """Return one (English, Chinese) sentence pair of the split of `rng`."""
    while True:
        if rng.chance(0.15):
            return rng.choice(FIXED)
        english, chinese = rng.choice(SENTENCES)
        for name in re.findall(r"\{(\w+)\}", english):
            left, right = rng.choice(PAIRS[name])
            english = english.replace("{" + name + "}", left, 1)
            chinese = chinese.replace("{" + name + "}", right, 1)
        english = re.sub(r"\b(he|she|I|one) are\b", r"\1 am", capitalise(english))
        if rng.accepts(english):
            return fix_articles(english), chinese


def turn(rng, grammar):
    """Return (question, answer) in either direction."""
    english, chinese = sentence_pair(rng)
    if rng.chance(0.5):
        asked = english if rng.chance(0.7) else english.rstrip(".")
        return grammar.pick(rng, TO_ZH, {"text": asked}), chinese
    asked = chinese if rng.chance(0.7) else chinese.rstrip("。")
    return grammar.pick(rng, TO_EN, {"text": asked}), english
