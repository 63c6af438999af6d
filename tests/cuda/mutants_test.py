#!/usr/bin/env python3
"""Shows that the tests of the kernels can fail: every mistake of mutants.py is noticed.

mutants_test.py PROGRAM    PROGRAM is the kernels' tests with the mistakes built in
"""
import os
import subprocess
import sys

from mutants import MUTANTS

LIMIT_S = 60


def is_noticed(program, number, tests):
    """True if the tests fail, crash or hang with this mistake."""
    environment = {**os.environ, "TROUPE_MUTANT": str(number)}
    try:
        done = subprocess.run([program, f"-tc={tests}", "--abort-after=1"], env=environment,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


def main(program, mutants):
    """Returns the number of mistakes that went unnoticed."""
    every = sorted({tests for *_, tests in mutants})
    for tests in every:
        if is_noticed(program, 0, tests):
            print(f"{tests}: fails without a mistake")
            return 1
    missed = 0
    for number, (what, file, _, _, tests) in enumerate(mutants, 1):
        if not is_noticed(program, number, tests):
            missed += 1
            print(f"unnoticed: {file}: {what}", flush=True)
    print(f"{len(mutants) - missed} of {len(mutants)} mistakes noticed")
    return missed


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1], MUTANTS), 1))
