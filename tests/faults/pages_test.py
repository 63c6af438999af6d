"""KV pages run out, again and again: every request finishes with the text that it has alone, and
one that can never fit hears so at once."""
import concurrent.futures

from ledger import Ledger
from troupe_server import Server

NUM_REQUESTS = 32
PAGES = 64  # of 16 tokens: six of the requests fill them


def body(number):
    return {"prompt": f"Tell me story number {number}, please.", "max_tokens": 150,
            "temperature": 0, "ignore_eos": True, "stream": number % 2 == 0}


def texts(server, concurrency):
    ledger = Ledger(server)
    with concurrent.futures.ThreadPoolExecutor(concurrency) as pool:
        records = list(pool.map(lambda n: ledger.ask(body(n)), range(NUM_REQUESTS)))
    assert [r.end for r in records] == ["finished"] * NUM_REQUESTS, [r.error for r in records]
    ledger.check()
    return [r.text for r in records]


def main():
    flags = ("--max-model-len", 512)
    with Server(*flags) as roomy:
        expected = texts(roomy, 4)
        assert roomy.metric("vllm:num_preemptions_total") == 0
    with Server(*flags, "--num-gpu-blocks-override", PAGES, "--max-num-seqs", 32) as tight:
        got = texts(tight, NUM_REQUESTS)
        preemptions = tight.metric("vllm:num_preemptions_total")
        status, answer = tight.post({"prompt": "word " * 600, "max_tokens": 900})
        assert status == 400, (status, answer)
    assert got == expected, next((a, b) for a, b in zip(got, expected) if a != b)
    assert preemptions > 0
    print(f"pages: {NUM_REQUESTS} requests on {PAGES} pages, {preemptions:.0f} preemptions, all "
          "texts as with room")


if __name__ == "__main__":
    main()
