#!/usr/bin/env python3
"""Fuzzes the parsers with libFuzzer, and keeps what it found.

run.py BUILD_DIR SECONDS [--no-keep] [TARGET ...]   BUILD_DIR is made by `./dev fuzz`; without
                                                    TARGET: all

Each target begins with tests/fuzz/corpus/TARGET.txt (a line of hexadecimal digits an input) and
with the inputs of seeds.py; afterwards those that together cover as much are written back, but for
--no-keep. Exits 1 when a target has a finding; the input then lies in BUILD_DIR.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

import seeds

HERE = pathlib.Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
MAX_INPUTS = 400
MAX_BYTES, MORE_BYTES = 4096, {"tokenizer": 16384}  # 256 bytes as tokens take a few thousand
MAX_CORPUS_BYTES = 100_000  # of one target, as it lies in the repository


def unpack(target, folder):
    path = CORPUS / f"{target}.txt"
    inputs = [bytes.fromhex(line) for line in path.read_text().split()] if path.exists() else []
    for i, data in enumerate(inputs + seeds.of(target)):
        (folder / f"kept{i}").write_bytes(data)


def pack(target, folder):
    inputs = sorted((p.read_bytes() for p in folder.iterdir()), key=lambda d: (len(d), d))
    lines = []
    for line in [data.hex() for data in inputs if data][:MAX_INPUTS]:
        if sum(map(len, lines)) + len(line) <= MAX_CORPUS_BYTES:
            lines.append(line)
    (CORPUS / f"{target}.txt").write_text("\n".join(lines) + "\n")
    return len(lines)


def fuzz(binary, build, target, seconds, keeps):
    most = MORE_BYTES.get(target, MAX_BYTES)
    env = {**os.environ, "TROUPE_FUZZ_TARGET": target,
           "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"}
    with tempfile.TemporaryDirectory() as work:
        found, kept = pathlib.Path(work, "found"), pathlib.Path(work, "kept")
        found.mkdir(), kept.mkdir()
        unpack(target, found)
        run = subprocess.run(
            [binary, found, f"-max_total_time={seconds}", f"-max_len={most}", "-timeout=60",
             f"-dict={HERE / 'words.dict'}", f"-artifact_prefix={build}/{target}-",
             "-print_final_stats=1"], env=env, stderr=subprocess.PIPE, text=True, errors="replace")
        tail = run.stderr.splitlines()[-30:]
        if run.returncode != 0:
            print(f"{target}: a finding", *tail, sep="\n")
            return False
        runs = next(line.split()[-1] for line in tail if "number_of_executed_units" in line)
        told = f"{target}: {runs} runs in {seconds} s, no finding"
        if keeps:
            subprocess.run([binary, "-merge=1", kept, found, f"-max_len={most}"], env=env,
                           check=True, stderr=subprocess.DEVNULL)
            told += f", {pack(target, kept)} inputs kept"
        print(told, flush=True)
        return True


def main():
    build, seconds = pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2])
    keeps = "--no-keep" not in sys.argv
    targets = [word for word in sys.argv[3:] if word != "--no-keep"] or sorted(seeds.TARGETS)
    CORPUS.mkdir(exist_ok=True)
    fine = [fuzz(build / "tests/fuzz/fuzz", build, target, seconds, keeps) for target in targets]
    sys.exit(0 if all(fine) else 1)


if __name__ == "__main__":
    main()
