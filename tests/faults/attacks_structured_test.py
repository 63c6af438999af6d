"""Forms of answers made to hurt (docs/attacks.md, 42 to 46): what each may take by itself. That
others go on meanwhile, all of them at once included, is tests/e2e/grammar_attack_test.py's."""
import concurrent.futures
import json
import time

import attack_watch
from attack_watch import PATIENCE, Server, Watch
from grammar_attack_test import ATTACKS, attack

# A second of processor time is what compiling may take; the cores are shared with the answers that
# run meanwhile, and with whatever else the machine does.
MAX_REFUSAL_SECONDS = 10 * PATIENCE
MORE = {
    "an enum of 10^6": {"json_schema": {"enum": list(range(10**6))}},
    "a list of 10^9": {"json_schema": {"type": "array", "minItems": 10**9, "maxItems": 10**9,
                                       "items": {"const": 1}}},
    "repeats of 10^9": {"regex": "a{0,1000000000}"},
    "a pattern with repeats of 10^9": {"json_schema": {"type": "string",
                                                       "pattern": "^(ab){0,1000000000}$"}},
    "an expression of 1 MB": {"regex": "a" * (1 << 20)},
    "a grammar of 1 MB": {"grammar": "root ::= " + '"a" ' * (1 << 18)},
    "a grammar without an end": {"grammar": 'root ::= "a" root'},
    "a circle of rules": {"grammar": "root ::= a\na ::= b\nb ::= a"},
    "a schema that nothing fits": {"json_schema": {"type": "integer", "minimum": 2, "maximum": 1}},
    "a keyword that is not enforced": {"json_schema": {"type": "array", "uniqueItems": True}},
    "half a surrogate pair": {"regex": "a\\ude00"},
    "a look-around": {"regex": "a(?=b)b"}, "a back reference": {"regex": r"(a)\1"},
    "a remote reference": {"json_schema": {"$ref": "http://127.0.0.1:9/x.json"}},
    "30,000 choices": {"choice": [f"c{i}" for i in range(30_000)]},
}
# What cannot end by itself before max_tokens.
ENDLESS = [{"regex": "a{40000}"}, {"grammar": 'root ::= "b"{3000}'},
           {"json_schema": {"type": "array", "minItems": 5000, "items": {"type": "null"}}},
           {"json_schema": {"type": "string", "minLength": 20_000}}]


def check_attacks(server, watch):
    bodies = {**ATTACKS, **{name: json.dumps({"prompt": "x", "max_tokens": 8, **form})
                            for name, form in MORE.items()}}
    num_refused = 0
    for name, body in bodies.items():
        before = server.rss_bytes()
        begin = time.monotonic()
        status, answer = attack(server, body)
        seconds = time.monotonic() - begin
        assert status in (200, 400, 413), (name, status, str(answer)[:300])
        if status != 200:
            assert seconds < MAX_REFUSAL_SECONDS, f"{name}: refused after {seconds:.1f} s"
            assert len(answer["error"]["message"]) < 1000, name
            num_refused += 1
        growth = server.rss_bytes() - before
        assert growth < attack_watch.MAX_GROWTH, f"{name}: {growth >> 20} MiB more"
        if name in MORE and name not in ("a list of 10^9",):
            assert status == 400, (name, status, str(answer)[:300])
    watch.memory = server.rss_bytes()  # what was compiled is kept, within its own bound
    watch.check(f"{len(bodies)} forms, {num_refused} refused")


def check_ends(server):
    for form in ENDLESS:
        status, answer = server.post({"prompt": "x", "max_tokens": 30, **form})
        assert status == 200 and answer["finish_reason"] == "length", (form, answer)
        assert answer["usage"]["completion_tokens"] == 30, answer


def check_cache(server, watch, num=1500):
    """Compiled grammars are kept within their bound, whatever comes."""
    def ask(i):
        form = {"regex": f"(ab{i}|[a-f]{{{i % 90 + 1},200}}|x{i}y*){{1,{i % 7 + 1}}}"}
        return server.post({"prompt": "x", "max_tokens": 1, **form})[0]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = set(pool.map(ask, range(num)))
    assert found <= {200, 429} and 200 in found, found
    watch.check(f"{num} grammars, one answer each")
    bound = 16 << 20
    assert server.metric("troupe_grammar_cache_bytes") <= bound


def main():
    flags = ("--max-model-len", 4096, "--grammar-cache-bytes", "16MiB")
    with Server(*flags) as server, Watch(server) as watch:
        check_attacks(server, watch)
        check_ends(server)
        check_cache(server, watch)


if __name__ == "__main__":
    main()
