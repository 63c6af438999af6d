"""Questions and answers about serving language models, and about Troupe itself."""

from .grammar import Grammar, capitalise

# Each topic: names it is asked by, definitions (one is used), further facts (kept in order).
EN_TOPICS = [
    (
        ["batching", "continuous batching", "dynamic batching"],
        [
            (
                "[Batching|Continuous batching] means that the server [runs|computes] many "
                "requests together in one step of the model."
            ),
            "With batching, one pass over the weights serves many requests at once.",
        ],
        [
            (
                "The weights are read once and used for every request in the batch, so the "
                "hardware does more useful work."
            ),
            (
                "New requests can join at any step, and finished ones leave without stopping "
                "the others."
            ),
            (
                "A larger batch gives more tokens per second in total, but each single request "
                "may become a little slower."
            ),
        ],
    ),
    (
        ["the KV cache", "a KV cache", "the key-value cache", "KV cache"],
        [
            (
                "The KV cache [keeps|stores] the keys and values of all earlier tokens, so that "
                "attention does not compute them again."
            ),
            (
                "A KV cache is memory that holds the attention keys and values of the tokens "
                "seen so far."
            ),
        ],
        [
            "Without it, every new token would have to process the whole text again.",
            "It grows with each token, so memory often limits how many chats can run together.",
            "Many servers split it into small blocks, which avoids wasted memory.",
        ],
    ),
    (
        ["the prefix cache", "prefix caching", "a prefix cache"],
        [
            (
                "A prefix cache [reuses|shares] the KV cache of a beginning that several "
                "requests have in common."
            ),
            "Prefix caching means that the same start of a prompt is computed only once.",
        ],
        [
            "A long system prompt, for example, is the same for every user.",
            (
                "When a new request starts with known tokens, the server skips that part, and "
                "the first token comes sooner."
            ),
            "In a chat, every new turn begins with the old turns, so the cache helps there too.",
        ],
    ),
    (
        ["TTFT", "time to first token", "the time to first token"],
        [
            "TTFT means time to first token: how long a user waits before the first token arrives.",
            (
                "Time to first token, or TTFT, is the delay between sending a request and "
                "seeing the first token."
            ),
        ],
        [
            "It includes the waiting time in the queue and the prefill of the prompt.",
            "Short prompts, a prefix cache and good scheduling all make it smaller.",
        ],
    ),
    (
        ["a token", "tokens", "a token in a language model"],
        [
            (
                "A token is a small piece of text, such as a word, a part of a word or one "
                "Chinese character."
            ),
            "Tokens are the pieces of text that a language model reads and writes.",
        ],
        [
            "The model reads tokens as numbers and predicts one token after another.",
            "Prices and limits of language models are usually counted in tokens.",
        ],
    ),
    (
        ["a tokenizer", "the tokenizer", "tokenization"],
        [
            "A tokenizer [cuts|splits] text into tokens and turns each token into a number.",
            "The tokenizer translates between text and token numbers.",
        ],
        [
            (
                "Many models use byte pair encoding, which merges frequent pairs of bytes into "
                "longer pieces."
            ),
            "After generation, it turns the numbers back into readable text.",
        ],
    ),
    (
        ["streaming", "token streaming", "streaming output"],
        [
            "Streaming means that the server sends each token as soon as it is ready.",
            "With streaming, the answer appears piece by piece instead of all at the end.",
        ],
        [
            "The user can start reading at once, which makes the answer feel faster.",
            "Over HTTP it is often done with server-sent events.",
        ],
    ),
    (
        ["an actor", "actors", "the actor model"],
        [
            (
                "An actor is a small worker with its own state and a mailbox; it handles one "
                "message at a time."
            ),
            (
                "In the actor model, a program is made of actors that share nothing and only "
                "send messages to each other."
            ),
        ],
        [
            "Because nobody else can touch its state, it needs no locks.",
            "If one actor fails, the others can go on, and a supervisor may start it again.",
            "Troupe uses actors for its connections, its scheduler and its model workers.",
        ],
    ),
    (
        ["a scheduler", "the scheduler", "scheduling"],
        [
            "The scheduler decides which requests run in the next step of the model.",
            "A scheduler [chooses|plans] what the model computes next.",
        ],
        [
            (
                "It balances new prompts, which need a prefill, with running requests, which "
                "need one token each."
            ),
            "A good scheduler keeps the hardware busy and lets nobody wait too long.",
        ],
    ),
    (
        ["prefill", "the prefill phase", "prompt processing"],
        [
            (
                "Prefill is the first phase of a request: the model reads all tokens of the "
                "prompt at once."
            ),
            "During prefill the model processes the whole prompt and fills the KV cache.",
        ],
        [
            "It does much arithmetic per byte, so it is usually limited by computing speed.",
            "Long prompts can be cut into chunks so that other requests do not have to wait.",
        ],
    ),
    (
        ["decoding", "the decode phase", "decode"],
        [
            "Decoding is the phase in which the model writes the answer, one token per step.",
            "In the decode phase every step adds one token to the answer.",
        ],
        [
            "Each step reads all weights, so it is usually limited by memory speed.",
            "Batching helps, because one reading of the weights serves many requests.",
        ],
    ),
    (
        ["a GPU", "GPUs", "the GPU"],
        [
            (
                "A GPU is a processor with thousands of small cores that do the same work on "
                "much data."
            ),
            "A GPU is hardware that multiplies large matrices very quickly.",
        ],
        [
            "Language models consist mostly of such products, so they run well on it.",
            "Its fast memory holds the weights and the KV cache.",
        ],
    ),
    (
        ["a CPU", "CPU inference", "running a model on a CPU"],
        [
            (
                "A CPU is the general processor of a computer, and it can run small language "
                "models quite well."
            ),
            "CPU inference means that the model runs on the ordinary processor, without a GPU.",
        ],
        [
            (
                "Modern processors have wide vector units and even matrix units for short "
                "number formats."
            ),
            "The speed is mostly limited by how fast the weights can be read from memory.",
        ],
    ),
    (
        ["quantization", "quantisation", "a quantized model"],
        [
            (
                "Quantization stores the weights with fewer bits, for example eight or four "
                "instead of sixteen."
            ),
            "A quantized model keeps its weights in short numbers to save memory.",
        ],
        [
            "It makes the model smaller and often faster.",
            "The price is a small loss of accuracy, so it should be measured.",
        ],
    ),
    (
        ["latency", "request latency"],
        [
            "Latency is the time one request has to wait for its result.",
            "Latency tells how long a single user waits.",
        ],
        [
            "For chats, people look at the time to first token and the time between tokens.",
            "Low latency and high throughput often pull in different directions.",
        ],
    ),
    (
        ["throughput", "tokens per second"],
        [
            "Throughput is the amount of work per second, usually counted in tokens per second.",
            (
                "Throughput tells how many tokens the server produces each second for all users "
                "together."
            ),
        ],
        [
            "Batching is the main way to raise it.",
            "A server should give high throughput without making single users wait too long.",
        ],
    ),
    (
        ["temperature", "the temperature parameter", "sampling temperature"],
        [
            "Temperature controls how random the next token is.",
            "The temperature makes the choice of tokens more careful or more free.",
        ],
        [
            (
                "A low value gives safe and repeatable answers, and zero always takes the most "
                "likely token."
            ),
            "A high value gives more variety, but also more mistakes.",
        ],
    ),
    (
        ["top_p", "top-p sampling", "nucleus sampling", "top_k", "top-k sampling"],
        [
            (
                "Top-p keeps only the most likely tokens whose probabilities add up to p, and "
                "top-k keeps the k most likely ones."
            ),
            "Top-p and top-k are filters that remove unlikely tokens before sampling.",
        ],
        [
            "They stop the model from choosing very strange tokens.",
            "They are often used together with a temperature.",
        ],
    ),
    (
        ["attention", "self-attention", "the attention mechanism"],
        [
            (
                "Attention lets each token look at the earlier tokens and take what it needs "
                "from them."
            ),
            "Attention is the part of the model that mixes information between tokens.",
        ],
        [
            (
                "Every token has a query, a key and a value; queries are compared with keys, "
                "and the values are averaged."
            ),
            "Its keys and values are what the KV cache stores.",
        ],
    ),
    (
        ["a transformer", "the transformer", "transformers"],
        [
            (
                "A transformer is a neural network built from layers of attention and "
                "feed-forward blocks."
            ),
            "The transformer is the network design behind most language models.",
        ],
        [
            "Each layer improves the representation of every token a little.",
            "Qwen2.5 is a family of such models.",
        ],
    ),
    (
        ["a language model", "language models", "an LLM", "LLM", "large language models"],
        [
            "A language model predicts the next token of a text from the tokens before it.",
            (
                "A language model is a network that has learned from text which token is likely "
                "to come next."
            ),
        ],
        [
            "By doing this again and again it can write answers, stories or code.",
            "Large ones have billions of weights; I have only about four million.",
        ],
    ),
    (
        ["a mailbox", "message passing", "messages between actors"],
        [
            "A mailbox is the queue in which an actor receives its messages.",
            (
                "With message passing, parts of a program talk by sending messages instead of "
                "sharing memory."
            ),
        ],
        [
            "The actor takes the messages one after another, so its state is always consistent.",
            (
                "If a mailbox becomes too full, the sender can be slowed down; this is called "
                "backpressure."
            ),
        ],
    ),
    (
        ["backpressure", "back pressure"],
        [
            "Backpressure means that a busy part of a system tells the others to send more slowly.",
            "Backpressure protects a server from more work than it can handle.",
        ],
        [
            "Without it, queues would grow until the memory is full.",
            "A server may also refuse new requests politely and ask the client to try again later.",
        ],
    ),
    (
        ["structured output", "JSON mode", "constrained decoding", "a JSON schema"],
        [
            (
                "Structured output means that the answer must follow a given form, such as a "
                "JSON schema."
            ),
            "With constrained decoding the server only allows tokens that keep the output valid.",
        ],
        [
            "At each step, tokens that would break the form are masked out.",
            "This is useful when a program, not a person, reads the answer.",
        ],
    ),
    (
        ["an API", "the OpenAI API", "the HTTP API", "chat completions"],
        [
            "An API is the agreed way in which programs talk to a service.",
            (
                "The chat completions API takes a list of messages and returns the next message "
                "of the assistant."
            ),
        ],
        [
            "Troupe speaks HTTP with JSON, so most existing clients can use it.",
            "The answer can come in one piece or as a stream.",
        ],
    ),
    (
        ["speculative decoding", "a draft model"],
        [
            (
                "In speculative decoding a small model guesses several tokens, and the large "
                "model checks them in one step."
            ),
            "Speculative decoding uses a quick guess to save slow steps.",
        ],
        ["Correct guesses are kept, so the result stays the same but comes sooner."],
    ),
    (
        ["paged attention", "KV blocks", "block tables"],
        [
            "Paged attention stores the KV cache in blocks of equal size, like pages of memory.",
            "With KV blocks, each request has a table that says where its keys and values are.",
        ],
        [
            (
                "Blocks can be given out one at a time, so no memory is reserved for tokens "
                "that never come."
            ),
            "Requests with the same beginning can share blocks.",
        ],
    ),
    (
        ["embeddings", "an embedding"],
        [
            "An embedding is a list of numbers that represents a token or a text.",
            "Embeddings turn tokens into vectors that the network can compute with.",
        ],
        ["Similar meanings get similar vectors."],
    ),
    (
        ["a context window", "context length", "the context window"],
        [
            "The context window is the number of tokens a model can look at together.",
            "Context length tells how much text fits into one request, prompt and answer together.",
        ],
        ["A longer context needs more memory for the KV cache."],
    ),
    (
        ["Qwen2.5", "Qwen"],
        [
            "Qwen2.5 is a family of open language models in many sizes.",
            "Qwen2.5 is a series of transformer models that can read and write many languages.",
        ],
        [
            "Troupe serves models of this family on CPU and GPU.",
            "I share its design, but I am a much smaller model.",
        ],
    ),
    (
        ["a supervisor", "fault tolerance", "supervision"],
        [
            (
                "A supervisor is an actor that watches other actors and starts them again after "
                "a failure."
            ),
            "Fault tolerance means that a system goes on working when a part of it fails.",
        ],
        ["One broken request should never stop the other users."],
    ),
    (
        ["load balancing", "a load balancer"],
        [
            "Load balancing spreads requests over several workers.",
            "A load balancer sends each request to a worker that has time for it.",
        ],
        ["If requests with the same prefix go to the same worker, the prefix cache helps more."],
    ),
    (
        ["bf16", "bfloat16"],
        [
            "Bfloat16 is a number format with sixteen bits and the range of a normal float.",
            "bf16 is a short format for numbers that keeps a wide range and drops some precision.",
        ],
        ["It needs half the memory of a 32-bit float, and many processors multiply it quickly."],
    ),
    (
        ["Troupe", "the Troupe server"],
        [
            "Troupe is a server for language models, written in C++ and built from actors.",
            "Troupe is an actor-based server for the Qwen2.5 family that runs on CPU and GPU.",
        ],
        [
            (
                "It batches requests, keeps a KV cache with shared prefixes, and streams tokens "
                "over HTTP."
            ),
            "Each part, such as a connection or the scheduler, is an actor with its own mailbox.",
            "I am the small demo model that comes with it, so you can try the server at once.",
        ],
    ),
]

ZH_TOPICS = [
    (
        ["批处理", "连续批处理", "动态批处理", "batching"],
        ["批处理就是让服务器在模型的一步计算里同时处理很多请求。", "有了批处理,读一遍权重就能服务很多请求。"],
        ["权重只读一次,就能用于整批请求,硬件利用率更高。", "新的请求可以随时加入,完成的请求可以随时离开。", "批次越大,总吞吐量越高,但单个请求可能会慢一点。"],
    ),
    (
        ["KV缓存", "KV cache", "键值缓存"],
        ["KV缓存保存了之前所有词元的键和值,这样注意力就不用重复计算。", "KV缓存是一块内存,用来保存已经处理过的词元的键和值。"],
        ["没有它,每生成一个词元都要重新处理全部文本。", "它会随着词元增加而变大,所以内存常常限制同时聊天的人数。", "很多服务器把它分成小块,避免浪费内存。"],
    ),
    (
        ["前缀缓存", "prefix cache"],
        ["前缀缓存会重复使用多个请求共同开头的KV缓存。", "前缀缓存的意思是:相同的开头只计算一次。"],
        ["比如,很长的系统提示对每个用户都一样。", "新请求如果以已知的内容开头,服务器就跳过这一部分,首个词元来得更快。"],
    ),
    (
        ["TTFT", "首词元时间", "首字延迟"],
        ["TTFT是首词元时间,也就是用户等到第一个词元的时间。", "首词元时间是从发送请求到看到第一个词元之间的延迟。"],
        ["它包括排队的时间和处理提示的时间。", "短提示、前缀缓存和好的调度都能让它变小。"],
    ),
    (
        ["词元", "token", "什么叫token"],
        ["词元是一小段文本,可以是一个词、词的一部分或者一个汉字。", "词元是语言模型读和写的基本单位。"],
        ["模型把词元当作数字来读,并一个接一个地预测词元。", "语言模型的价格和长度限制通常按词元计算。"],
    ),
    (
        ["分词器", "tokenizer"],
        ["分词器把文本切成词元,并把每个词元变成一个数字。", "分词器负责在文本和词元编号之间转换。"],
        ["很多模型使用字节对编码,把常见的字节组合合并成更长的片段。"],
    ),
    (
        ["流式输出", "流式传输", "streaming"],
        ["流式输出就是服务器每生成一个词元就马上发送出去。", "有了流式输出,回答会一点一点地出现,而不是最后一次出现。"],
        ["用户可以马上开始阅读,感觉更快。", "在HTTP上,通常用服务器推送事件来实现。"],
    ),
    (
        ["actor", "actor模型", "演员模型"],
        ["actor是一个小小的工作者,有自己的状态和信箱,一次只处理一条消息。", "在actor模型里,程序由许多actor组成,它们不共享内存,只互相发送消息。"],
        ["因为别人不能碰它的状态,所以不需要锁。", "一个actor出错时,其他actor可以继续工作。", "Troupe用actor来管理连接、调度器和模型。"],
    ),
    (
        ["调度器", "调度"],
        ["调度器决定下一步计算哪些请求。", "调度器的工作是安排模型接下来算什么。"],
        ["它要平衡新来的提示和正在生成的请求。", "好的调度器让硬件保持忙碌,也不让任何人等太久。"],
    ),
    (
        ["预填充", "prefill"],
        ["预填充是请求的第一个阶段:模型一次读完提示的所有词元。", "在预填充阶段,模型处理整个提示并填好KV缓存。"],
        ["它的计算量很大,所以通常受计算速度限制。", "长提示可以分块处理,避免其他请求等待。"],
    ),
    (
        ["解码", "decode"],
        ["解码是模型写出回答的阶段,每一步生成一个词元。", "在解码阶段,每一步都会给回答加上一个词元。"],
        ["每一步都要读取全部权重,所以通常受内存速度限制。"],
    ),
    (
        ["GPU", "显卡"],
        ["GPU是一种有成千上万个小核心的处理器,适合同时处理大量数据。", "GPU是一种能很快计算大矩阵的硬件。"],
        ["语言模型主要就是矩阵乘法,所以很适合在上面运行。", "它的高速显存用来存放权重和KV缓存。"],
    ),
    (
        ["CPU", "用CPU运行模型", "CPU推理"],
        ["CPU是电脑的通用处理器,也能很好地运行小型语言模型。", "CPU推理就是不用GPU,在普通处理器上运行模型。"],
        ["现代处理器有很宽的向量单元,甚至有矩阵单元。"],
    ),
    (
        ["量化", "模型量化"],
        ["量化就是用更少的位数来保存权重,比如用八位或四位代替十六位。", "量化模型用更短的数字保存权重,可以节省内存。"],
        ["它让模型更小,通常也更快。", "代价是精度会有一点损失。"],
    ),
    (["延迟"], ["延迟是一个请求等待结果的时间。", "延迟表示单个用户要等多久。"], ["聊天时,人们关心首词元时间和词元之间的间隔。"]),
    (["吞吐量"], ["吞吐量是每秒完成的工作量,通常用每秒词元数来表示。", "吞吐量表示服务器每秒为所有用户生成多少词元。"], ["批处理是提高吞吐量的主要方法。"]),
    (
        ["温度", "temperature", "温度参数"],
        ["温度控制下一个词元的随机程度。", "温度让模型选词更谨慎或者更自由。"],
        ["温度低,回答更稳定;温度高,回答更多样,但也更容易出错。"],
    ),
    (
        ["注意力", "注意力机制", "attention"],
        ["注意力让每个词元去看前面的词元,并取得需要的信息。", "注意力是模型中在词元之间传递信息的部分。"],
        ["每个词元都有查询、键和值,KV缓存保存的就是键和值。"],
    ),
    (
        ["语言模型", "大语言模型", "LLM", "大模型"],
        ["语言模型根据前面的词元来预测下一个词元。", "语言模型是一种从文本中学会预测下一个词元的神经网络。"],
        ["一次又一次地预测,它就能写出回答、故事或者代码。", "大模型有几十亿个参数,而我只有大约四百万个。"],
    ),
    (["背压", "反压"], ["背压就是系统中繁忙的部分让其他部分慢一点发送。", "背压可以防止服务器收到太多处理不了的工作。"], ["没有背压,队列会一直变长,直到内存用完。"]),
    (
        ["结构化输出", "JSON模式", "约束解码"],
        ["结构化输出要求回答符合给定的格式,比如JSON。", "约束解码时,服务器只允许选择能让输出保持合法的词元。"],
        ["当读回答的是程序而不是人时,这非常有用。"],
    ),
    (["上下文长度", "上下文窗口"], ["上下文长度是模型能同时看到的词元数量。", "上下文窗口决定了一次请求能放下多少文本。"], ["上下文越长,KV缓存需要的内存就越多。"]),
    (
        ["通义千问", "Qwen2.5", "Qwen"],
        ["Qwen2.5是一个开放的语言模型系列,有多种大小。", "Qwen2.5是一系列能读写多种语言的模型。"],
        ["Troupe可以在CPU和GPU上运行这个系列的模型。", "我和它的结构相同,但是小得多。"],
    ),
    (
        ["Troupe", "Troupe服务器"],
        ["Troupe是一个用C++写的、基于actor的语言模型服务器。", "Troupe是为Qwen2.5系列模型设计的服务器,可以在CPU和GPU上运行。"],
        [
            "它支持批处理、共享前缀的KV缓存,并通过HTTP流式输出词元。",
            "每个部分,比如连接和调度器,都是一个有自己信箱的actor。",
            "我是它自带的小演示模型,方便你马上试用。",
        ],
    ),
]

EN_ASKS = [
    "What is {topic}?",
    "What is {topic}?",
    "what is {topic}",
    "What's {topic}?",
    "What does {topic} mean?",
    "[Explain|Please explain|Describe] {topic}[.|]",
    "[Can|Could] you explain {topic}[ to me|]?",
    "Tell me about {topic}[.|]",
    "How does {topic} work?",
    "Why [is|does] {topic} [important|matter]?",
    "I want to [learn|know] about {topic}[.|]",
    "What do you know about {topic}?",
    "Define {topic}[.|]",
    "How does {topic} help?",
    "What are the benefits of {topic}?",
    "[Give me|Can you give me] a short explanation of {topic}[.|?]",
    "{topic}?",
    "[Why|When] do we need {topic}?",
    "What is {topic} [good for|used for]?",
    "What is {topic} in [a model server|LLM serving|Troupe]?",
    "Do you know what {topic} [is|means]?",
]
EN_BRIEF = [
    "Explain {topic} in one sentence[.|]",
    "[Briefly|In short], what is {topic}?",
    "What is {topic}, in one sentence?",
]
EN_LONG = [
    "Explain {topic} in detail[.|]",
    "Tell me everything [you know |]about {topic}[.|]",
    "[What is|Explain] {topic} [and why does it matter|and how does it help]?",
]
ZH_ASKS = [
    "什么是{topic}?",
    "{topic}是什么?",
    "[请|]解释一下{topic}[。|]",
    "[请|]介绍一下{topic}[。|]",
    "{topic}是什么意思?",
    "[你知道|能说说]{topic}吗?",
    "为什么需要{topic}?",
    "{topic}有什么用?",
    "{topic}[是怎么工作的|的原理是什么]?",
    "我想了解{topic}[。|]",
    "{topic}",
    "{topic}有什么好处?",
    "[请|]说说{topic}[。|]",
    "什么叫{topic}?",
    "请问什么是{topic}?",
    "[简单|]讲讲{topic}[吧|][。|]",
]
ZH_BRIEF = ["用一句话解释{topic}[。|]", "简单说,什么是{topic}?"]
ZH_LONG = ["[请|]详细解释一下{topic}[。|]", "[请|]详细介绍{topic}[。|]"]

EN_COMPARE = [
    "What is the difference between {left} and {right}?",
    "[Compare|Explain] {left} and {right}[.|]",
    "How do {left} and {right} differ?",
    "{left} or {right}?",
    "{left} vs {right}",
]
ZH_COMPARE = ["{left}和{right}有什么区别?", "[请|]比较{left}和{right}[。|]", "[请|]解释{left}和{right}[。|]"]

EN_FACTS = [
    (
        [
            "Why is [it called Troupe|Troupe called Troupe]?",
            "What does [the name |]Troupe mean?",
            "Where does the name Troupe come from?",
        ],
        [
            (
                "A troupe is a company of actors, and Troupe is built from actors that send "
                "each other messages."
            )
        ],
    ),
    (
        ["[Which|What] language is Troupe written in?", "Is Troupe written in C++?"],
        ["Troupe is written in C++20, and its parts are actors."],
    ),
    (
        [
            "[Which|What] models [does Troupe support|can Troupe run|can Troupe serve]?",
            "Can Troupe run [Qwen|Qwen2.5]?",
        ],
        ["Troupe serves models of the Qwen2.5 family, and me, its small demo model."],
    ),
    (
        [
            "[Does Troupe run on|Can Troupe use] [a GPU|the GPU|a CPU|the CPU]?",
            "[What|Which] hardware does Troupe [need|use|run on]?",
        ],
        ["Troupe runs on ordinary CPUs and on GPUs. For me a CPU is more than enough."],
    ),
    (
        [
            "How [do|can] I talk to Troupe?",
            "[What|Which] API does Troupe [have|offer|use]?",
            "How do I send a request[ to Troupe|]?",
        ],
        [
            (
                "You send an HTTP request with JSON, and the answer comes back at once or as a "
                "stream of tokens."
            )
        ],
    ),
    (
        ["Who [wrote|made|built] Troupe?", "Who is behind Troupe?"],
        ["Troupe was built by engineers who like actors, full batches and short queues."],
    ),
    (
        ["Is Troupe [fast|good]?", "Why should I use Troupe?", "What is special about Troupe?"],
        [
            (
                "Troupe batches requests, shares prefixes in its KV cache and streams tokens, "
                "so many users can chat at the same time. Please measure it on your own machine."
            )
        ],
    ),
]
ZH_FACTS = [
    (
        ["为什么叫Troupe?", "Troupe这个名字是什么意思?", "Troupe的名字从哪里来?"],
        ["Troupe的意思是剧团,一群演员。它由许多互相发送消息的actor组成。"],
    ),
    (["Troupe是用什么语言写的?", "Troupe是C++写的吗?"], ["Troupe是用C++20写的,各个部分都是actor。"]),
    (["Troupe支持[什么|哪些]模型?", "Troupe能运行Qwen吗?"], ["Troupe支持Qwen2.5系列的模型,还有我这个小演示模型。"]),
    (
        ["Troupe[需要|支持]什么硬件?", "Troupe能在[CPU|GPU]上运行吗?"],
        ["Troupe可以在普通的CPU上运行,也可以在GPU上运行。运行我只要CPU就够了。"],
    ),
    (["怎么[使用|调用]Troupe?", "怎么给Troupe发请求?", "Troupe有什么接口?"], ["用HTTP发送JSON请求就可以,回答可以一次返回,也可以流式返回。"]),
    (["Troupe是谁[写|做]的?"], ["Troupe是一群喜欢actor、大批次和短队列的工程师做的。"]),
    (
        ["Troupe[快|好]吗?", "为什么要用Troupe?", "Troupe有什么特点?"],
        ["Troupe支持批处理、共享前缀的KV缓存和流式输出,可以同时和很多人聊天。请在自己的机器上测一测。"],
    ),
]

GRAMMAR = Grammar({})


def _answer(rng, definitions, facts, length):
    """Return a definition followed by as many facts as `length` asks for."""
    parts = [GRAMMAR.pick(rng, definitions)]
    if length == "long":
        parts += facts
    elif length == "normal":
        count = min(len(facts), rng.choice([1, 1, 2]))
        kept = sorted(rng.sample(range(len(facts)), count))
        parts += [facts[index] for index in kept]
    return parts


def _compare(rng, lang):
    """Return a question about two topics; the answer defines both."""
    topics, asks = (EN_TOPICS, EN_COMPARE) if lang == "en" else (ZH_TOPICS, ZH_COMPARE)
    left, right = rng.sample(topics, 2)
    question = GRAMMAR.pick(rng, asks, {"left": rng.choice(left[0]), "right": rng.choice(right[0])})
    parts = [GRAMMAR.pick(rng, left[1]), GRAMMAR.pick(rng, right[1])]
    return capitalise(question), (" " if lang == "en" else "").join(parts)


def turn(rng, lang):
    """Return (question, answer) about one topic, two topics or a fact about Troupe."""
    draw = rng.random()
    if draw < 0.1:
        return _compare(rng, lang)
    if draw < 0.2:
        asks, answers = rng.choice(EN_FACTS if lang == "en" else ZH_FACTS)
        return GRAMMAR.pick(rng, asks).strip(), rng.choice(answers)
    topics = EN_TOPICS if lang == "en" else ZH_TOPICS
    names, definitions, facts = rng.choice(topics)
    length = rng.choice(["normal"] * 6 + ["brief", "long"])
    if lang == "en":
        asks = {"normal": EN_ASKS, "brief": EN_BRIEF, "long": EN_LONG}[length]
        question = capitalise(GRAMMAR.pick(rng, asks, {"topic": rng.choice(names)}))
        return question, " ".join(_answer(rng, definitions, facts, length))
    asks = {"normal": ZH_ASKS, "brief": ZH_BRIEF, "long": ZH_LONG}[length]
    question = GRAMMAR.pick(rng, asks, {"topic": rng.choice(names)})
    return question, "".join(_answer(rng, definitions, facts, length))
