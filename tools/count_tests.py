#!/usr/bin/env python3
"""Reads meson's testlog.json and prints 'N passed, N failed, N skipped' alone on the last line.

Names every test that failed or was skipped; exits 1 when one failed or when none passed.
"""
import json
import pathlib
import sys

PASSED = {"OK", "EXPECTEDFAIL"}
SKIPPED = {"SKIP"}


def main(path):
    log = pathlib.Path(path)
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    results = [json.loads(line) for line in lines if line.strip()]
    passed = [r for r in results if r["result"] in PASSED]
    skipped = [r for r in results if r["result"] in SKIPPED]
    failed = [r for r in results if r["result"] not in PASSED | SKIPPED]
    for r in failed:
        print(f"failed: {r['name']} ({r['result']})")
    for r in skipped:
        reason = ((r.get("stdout") or "").strip().splitlines() or ["no reason given"])[-1]
        print(f"skipped: {r['name']}: {reason}")
    tail = f", {len(skipped)} skipped" if skipped else ""
    print(f"{len(passed)} passed, {len(failed)} failed{tail}")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
