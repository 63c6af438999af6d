"""Scheduling never changes an answer: bit-identical tokens under every schedule.

64 requests, greedy and seeded, one by one on a plain server; then all at once on servers with a
quarter of the KV pages they need, other chunk sizes, prefix cache on and off, one thread and two.
Then answers that repeat themselves, with guesses (--num-speculative-tokens) and without.
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
             str(body.get("logprobs"))) for _, body in results]


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
    with Server("--no-enable-prefix-caching", "--threads", 1, "--num-speculative-tokens", 0,
                *base) as server:
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


def repeating_requests():
    """Few tokens are left to choose from, so that guesses are right often, and wrong often."""
    bodies = []
    for i in range(24):
        body = {"prompt": PROMPTS[i % len(PROMPTS)] * 2, "max_tokens": 30 + 5 * i,
                "ignore_eos": i % 4 != 1, "temperature": 0 if i % 5 == 0 else 1, "seed": i,
                "logit_bias": {str(t): 90 + t % 3 for t in range(400, 401 + i % 4)}}
        if i % 2:
            body["logprobs"] = 2
        if i % 6 == 2:
            body.update(frequency_penalty=0.3, repetition_penalty=1.05)
        if i % 6 == 3:
            body.update(presence_penalty=0.5, top_p=0.9)
        if i % 8 == 4:
            body.update(stop_token_ids=[401], min_tokens=20)
        bodies.append(body)
    return bodies


def completions(server, concurrency):
    """Several answers of a prompt, with it, cut at a stop string; without what names the call."""
    bodies = [{"model": "demo", "prompt": PROMPTS[i % 2], "max_tokens": 60, "n": 2, "seed": i,
               "stop": ["and", "。"], "logit_bias": {"400": 40, "401": 40} if i % 2 else {},
               **({"echo": True} if i % 3 else {"logprobs": 1})} for i in range(6)]
    results = server.post_all(bodies, concurrency, path="/v1/completions")
    for status, body in results:
        assert status == 200, (status, body)
    return [(body["choices"], body["usage"]["completion_tokens"]) for _, body in results]


def check_guesses(base, schedules):
    """Answers that repeat themselves, with guesses and without."""
    bodies = repeating_requests()
    num_right = num_wrong = 0
    with Server("--num-speculative-tokens", 0, *base) as server:
        expected = answers(server.post(body) for body in bodies)
        expected_choices = completions(server, 1)
        assert server.metric("vllm:spec_decode_num_draft_tokens_total") == 0
    for concurrency, flags in schedules:
        with Server(*base, *flags) as server:
            got = answers(server.post_all(bodies, concurrency))
            assert got == expected, [(e, g) for e, g in zip(expected, got) if e != g][:3]
            assert completions(server, concurrency) == expected_choices
            guessed = server.metric("vllm:spec_decode_num_draft_tokens_total")
            right = server.metric("vllm:spec_decode_num_accepted_tokens_total")
            num_right += right
            num_wrong += guessed - right
            assert server.metric("troupe_kv_pages_used") == 0
            print(f"{base + flags}, {concurrency} at once: equal; {right:.0f} of {guessed:.0f} "
                  "guesses right")
    assert num_right > 100 and num_wrong > 20, (num_right, num_wrong)


# Rows said to be cheap, so that there are guesses beside many others.
MANY_GUESSES = ["--num-speculative-tokens", 12, "--max-speculative-rows", 512]
GUESSING = [
    (1, []),
    (16, []),
    (16, MANY_GUESSES),
    (24, ["--max-model-len", 512, "--num-gpu-blocks-override", 40, *MANY_GUESSES]),
    (24, ["--max-num-batched-tokens", 40, "--no-enable-prefix-caching", *MANY_GUESSES]),
]


def main():
    num_preemptions, num_hits = check([], SCHEDULES)
    assert num_preemptions > 0 and num_hits > 0, (num_preemptions, num_hits)
    check(["--tensor-parallel-size", 2], SCHEDULES[1:2])
    check(["--dtype", "float32"], SCHEDULES[:1])
    check(["--quantization", "int8"], SCHEDULES[1:2])
    check(["--quantization", "int4"], SCHEDULES[1:2])
    check(["--quantization", "int4"], SCHEDULES[5:6])
    check_guesses([], GUESSING)
    check_guesses(["--quantization", "int8"], GUESSING[2:3])
    check_guesses(["--tensor-parallel-size", 2], GUESSING[2:3])
    num_preemptions, num_hits = check(["--kv-cache-dtype", "int8"], SCHEDULES)
    assert num_preemptions > 0 and num_hits > 0, (num_preemptions, num_hits)
    check(["--kv-cache-dtype", "int8", "--tensor-parallel-size", 2], SCHEDULES[1:2])


if __name__ == "__main__":
    main()
