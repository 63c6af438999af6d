"""Scheduling never changes an answer: bit-identical tokens under every schedule.

64 requests, greedy and seeded, one by one on a plain server; then all at once on servers with a
quarter of the KV pages they need, other chunk sizes, prefix cache on and off, one thread and two.
"""
from troupe_server import Server

PROMPTS = [
    "Write a short poem about the sea.",
    "请写一首关于春天的短诗。",
    "What is continuous batching?",
    "你好,请介绍一下你自己",
    "Translate into Chinese: The weather is nice today.",
    "Analyse this review and answer as JSON: The battery is great but the screen is dull.",
    "Once upon a time, in a small town by a river, there lived",
    "什么是前缀缓存?",
]
SYSTEM = "You are a patient assistant in a library. You answer in whole sentences. " * 4


def requests():
    """Half of them share a long prefix; lengths from a few tokens to a few hundred."""
    bodies = []
    for i in range(64):
        prompt = PROMPTS[i % len(PROMPTS)] * (1 + i % 5)
        if i % 2:
            prompt = SYSTEM + prompt
        body = {"prompt": prompt, "max_tokens": 40 + i * 7 % 101, "ignore_eos": True,
                "logprobs": 1}
        if i % 3 == 0:
            body["temperature"] = 0
        else:
            body.update(temperature=0.6 + 0.1 * (i % 7), seed=1000 + i, top_p=0.9,
                        top_k=40 if i % 4 == 0 else 0, frequency_penalty=0.2 * (i % 3),
                        repetition_penalty=1.1 if i % 5 == 0 else 1.0)
        bodies.append(body)
    return bodies


def answers(results):
    results = list(results)
    for status, body in results:
        assert status == 200, (status, body)
    return [(body["text"], body["finish_reason"], body["usage"]["completion_tokens"],
             str(body["logprobs"])) for _, body in results]


SCHEDULES = [
    ["--max-num-batched-tokens", 16],
    ["--max-num-batched-tokens", 64],
    ["--max-num-batched-tokens", 512],
    ["--max-num-batched-tokens", 64, "--no-enable-prefix-caching"],
    ["--max-num-batched-tokens", 512, "--threads", 1],
    ["--max-num-batched-tokens", 100, "--threads", 2],
]


def check(base, schedules):
    """Answers under `base`, one by one and undisturbed, against the same under each schedule.

    Returns the preemptions and the cached tokens of all schedules.
    """
    bodies = requests()
    with Server("--no-enable-prefix-caching", "--threads", 1, *base) as server:
        results = [server.post(body) for body in bodies]
    expected = answers(results)
    assert len(set(expected)) > 40, "the requests should differ"
    need = sum(-(-(r["usage"]["prompt_tokens"] + r["usage"]["completion_tokens"]) // 16)
               for _, r in results)
    num_pages = need // 4
    num_preemptions = num_hits = 0
    for flags in schedules:
        with Server("--max-model-len", 768, "--num-gpu-blocks-override", num_pages, *base,
                    *flags) as server:
            got = answers(server.post_all(bodies, 64))
            assert got == expected, [
                (b["prompt"][:40], e, g) for b, e, g in zip(bodies, expected, got) if e != g][:3]
            preemptions = server.metric("vllm:num_preemptions_total")
            hits = server.metric("vllm:prefix_cache_hits_total")
            num_preemptions += preemptions
            num_hits += hits
            assert server.metric("troupe_kv_pages_used") == 0
            print(f"{base + flags}: equal; {preemptions:.0f} preemptions, {hits:.0f} cached tokens")
    print(f"64 answers equal under every schedule, with {num_pages} of {need} pages")
    return num_preemptions, num_hits


def main():
    num_preemptions, num_hits = check([], SCHEDULES)
    assert num_preemptions > 0 and num_hits > 0, (num_preemptions, num_hits)
    check(["--tensor-parallel-size", 2], SCHEDULES[1:2])
    check(["--dtype", "float32"], SCHEDULES[:1])
    check(["--quantization", "int8"], SCHEDULES[1:2])
    check(["--quantization", "int4"], SCHEDULES[1:2])
    check(["--quantization", "int4"], SCHEDULES[5:6])


if __name__ == "__main__":
    main()
