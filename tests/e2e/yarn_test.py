"""`--yarn per-request`: short requests run as the model without YaRN does, long ones as with YaRN.

Both kinds share a prefix in one server, so a page of the wrong kind would show.
"""
import json
import pathlib
import shutil
import tempfile

from troupe_server import DEMO, Server

WINDOW = 128
PREFIX = "Tell me about batching, caches and queues, please. " * 4
SHORT = [{"prompt": PREFIX + end, "max_tokens": 16} for end in ("Begin.", "Be brief.")]
LONG = [{"prompt": PREFIX + end, "max_tokens": 200} for end in ("Begin.", "Be long.")]


def ask(server, bodies):
    answers = []
    for body in bodies:
        status, answer = server.post({**body, "temperature": 0, "logprobs": 0, "ignore_eos": True})
        assert status == 200, answer
        answers.append((answer["text"], str(answer["logprobs"])))
    return answers


def with_yarn(directory):
    shutil.copytree(DEMO, directory)
    path = pathlib.Path(directory) / "config.json"
    config = json.loads(path.read_text())
    config["rope_scaling"] = {"type": "yarn", "factor": 8.0,
                              "original_max_position_embeddings": WINDOW}
    path.write_text(json.dumps(config))
    return directory


def main():
    with tempfile.TemporaryDirectory() as temporary:
        directory = with_yarn(temporary + "/demo")
        with Server("--max-model-len", 1024) as plain:
            short_plain, long_plain = ask(plain, SHORT), ask(plain, LONG)
            num_tokens = plain.post(SHORT[0])[1]["usage"]["prompt_tokens"]
        with Server(model=directory) as always:
            short_yarn, long_yarn = ask(always, SHORT), ask(always, LONG)
        assert num_tokens + 16 <= WINDOW < num_tokens + 200, num_tokens
        assert short_plain != short_yarn and long_plain != long_yarn
        with Server("--yarn", "per-request", model=directory) as mixed:
            for _ in range(2):  # the second round meets the first one's pages
                assert ask(mixed, SHORT) == short_plain
                assert ask(mixed, LONG) == long_yarn
            hits = mixed.metric("vllm:prefix_cache_hits_total")
        assert hits > 0
    print(f"short as without YaRN, long as with it, {hits:.0f} cached tokens")


if __name__ == "__main__":
    main()
