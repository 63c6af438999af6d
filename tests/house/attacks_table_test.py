#!/usr/bin/env python3
"""Holds docs/attacks.md: all 56 attacks are there, every test that it names exists and is run, and
the targets of the fuzzers are those that there are."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
NUM_ATTACKS = 56


def is_there(path, name):
    """Whether the file has a test, a function or a case of that name."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return re.search(rf"^(?:async )?def {re.escape(name)}\(", text, re.M) is not None
    joined = re.sub(r'"\s*\n\s*"', "", text)
    return re.search(rf'TEST_CASE\(\s*"{re.escape(name)}"', joined) is not None


def breaches(text):
    rows = [line for line in text.splitlines() if re.match(r"\| \d+ \|", line)]
    numbers = [int(row.split("|")[1]) for row in rows]
    if numbers != list(range(1, NUM_ATTACKS + 1)):
        yield f"the attacks are {numbers}"
    builds = "".join(path.read_text() for path in ROOT.glob("tests/**/meson.build"))
    for row in rows:
        number = row.split("|")[1].strip()
        named = re.findall(r"`(tests/[\w/]+\.\w+): ([^`]+)`", row)
        if not named:
            yield f"{number}: no test is named"
        for file, name in named:
            path = ROOT / file
            if not path.exists():
                yield f"{number}: there is no {file}"
                continue
            if not is_there(path, name):
                yield f"{number}: {file} has no \"{name}\""
            if not is_run(path, builds):
                yield f"{number}: no meson.build names {path.name}"


def is_run(path, builds):
    stem = path.stem.removesuffix("_test")
    return path.name in builds or f"'{stem}'" in builds


def fuzz_breaches(text):
    listed = set()
    for row in re.findall(r"^\| (?:clients|model|models|people|other)\b.*", text, re.M):
        listed |= set(re.findall(r"`(\w+)`", row))
    sources = "".join(path.read_text() for path in (ROOT / "tests/fuzz").glob("*targets.cpp"))
    there = set(re.findall(r'fuzz_target\{"(\w+)"', sources))
    kept = {path.stem for path in (ROOT / "tests/fuzz/corpus").glob("*.txt")}
    if listed != there:
        yield f"targets of the table and of tests/fuzz differ: {sorted(listed ^ there)}"
    if kept != there:
        yield f"targets and kept inputs differ: {sorted(kept ^ there)}"


def main():
    text = (ROOT / "docs/attacks.md").read_text(encoding="utf-8")
    found = [*breaches(text), *fuzz_breaches(text)]
    # A table that is held to nothing would pass, too.
    assert list(breaches(text.replace("check_wrong`", "check_nothing`"))), "nothing is held"
    print(*found, sep="\n")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
