"""Times xgrammar; run by bench/grammar.py, which pipes the tokens and the schemas in.

Reads a line with the bytes of all tokens (hex), then one line for each schema with its instances in
tokens. Each schema gets a process of its own, so that one that takes more processor time than
argv[2] seconds ends alone. Writes a line for each schema."""
import json, os, signal, sys, time

import xgrammar


def clock():
    return time.thread_time_ns() / 1e3


def judge(compiled, row, bitmask, out):
    for test in row["tests"]:
        matcher = xgrammar.GrammarMatcher(compiled)
        taken = True
        for token in test["ids"]:
            begin = clock()
            matcher.fill_next_token_bitmask(bitmask)
            if test["valid"]:
                out["mask"].append(clock() - begin)
            taken = matcher.accept_token(token)
            if not taken:
                break
        accepted = taken and matcher.accept_token(EOS)
        if accepted != test["valid"]:
            out["valid_rejected" if test["valid"] else "invalid_accepted"] += 1


def run(info, row, width):
    bitmask = xgrammar.allocate_token_bitmask(1, width)
    compiler = xgrammar.GrammarCompiler(info, max_threads=1, cache_enabled=False)
    begin = clock()
    try:
        compiled = compiler.compile_json_schema(json.dumps(row["schema"]))
    except Exception:  # whatever it is: the schema is refused
        return {"refused": True}
    out = {"compile": clock() - begin, "mask": [], "valid_rejected": 0, "invalid_accepted": 0,
           "bytes": compiled.memory_size_bytes}
    xgrammar.GrammarMatcher(compiled).fill_next_token_bitmask(bitmask)
    out["first_mask"] = clock() - begin
    judge(compiled, row, bitmask, out)
    return out


EOS = 151645
width, limit = int(sys.argv[1]), float(sys.argv[2])
words = [bytes.fromhex(word) for word in json.loads(sys.stdin.readline())]
words += [b""] * (width - len(words))
info = xgrammar.TokenizerInfo(words, xgrammar.VocabType.RAW, vocab_size=width,
                              stop_token_ids=[EOS])
for line in sys.stdin:
    source, sink = os.pipe()
    child = os.fork()
    if child == 0:
        signal.setitimer(signal.ITIMER_PROF, limit)
        with os.fdopen(sink, "w") as pipe:
            json.dump(run(info, json.loads(line), width), pipe)
        os._exit(0)
    os.close(sink)
    with os.fdopen(source) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    print(text or '{"timeout": true}', flush=True)
