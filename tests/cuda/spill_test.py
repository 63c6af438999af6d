#!/usr/bin/env python3
"""No kernel keeps registers in memory, no multiplication waits for the one before it: reads what
ptxas said when the kernels were compiled.

spill_test.py NUM_ARCHITECTURES LOG...
"""
import pathlib
import re
import sys

KERNEL = re.compile(r"Compiling entry function '(\w+)' for '(\w+)'")
# Of wgmma: serialized, or with a fence that ptxas had to add; of setmaxnreg: ignored.
LOSS = re.compile(r"serialized|is injected|setmaxnreg")
STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")


def kernels(text):
    """[(name, architecture, (stack, stores, loads))] of one log."""
    found, name = [], None
    for line in text.splitlines():
        if match := KERNEL.search(line):
            name = match.groups()
        elif (match := STACK.search(line)) and name:
            found.append((*name, tuple(int(n) for n in match.groups())))
            name = None
    return found


def main(num_architectures, logs):
    failures, count = [], 0
    for log in logs:
        text = pathlib.Path(log).read_text(encoding="utf-8")
        failures += [f"{log}: {line}" for line in text.splitlines() if LOSS.search(line)]
        of_log = kernels(text)
        if len({architecture for _, architecture, _ in of_log}) != num_architectures:
            failures.append(f"{log}: not a kernel for each of {num_architectures} architectures")
        failures += [f"{name} on {architecture}: stack, spill stores, spill loads: {numbers}"
                     for name, architecture, numbers in of_log if any(numbers)]
        count += len(of_log)
    print("\n".join([*failures, f"{count} kernels, {len(failures)} failures"]))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
