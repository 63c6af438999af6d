#!/usr/bin/env python3
"""Runs nvcc and keeps what ptxas says of registers and spills.

compile_kernel.py LOG COMMAND ARGUMENTS...    adds -Xptxas=-v; its report goes to LOG, all else
                                              that the compiler says to the standard error
"""
import pathlib
import subprocess
import sys

REPORT = ("ptxas info", "    ")  # its lines begin so


def main(log, command):
    done = subprocess.run([*command, "-Xptxas=-v"], stderr=subprocess.PIPE, text=True, check=False)
    lines = done.stderr.splitlines(keepends=True)
    report = [line for line in lines if line.startswith(REPORT)]
    others = [line for line in lines if not line.startswith(REPORT)]
    sys.stderr.write("".join(lines if done.returncode else others))
    pathlib.Path(log).write_text("".join(report), encoding="utf-8")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
