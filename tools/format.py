#!/usr/bin/env python3
"""Formats every C++ source with the pinned clang-format; with --check only tells what differs.

Exits 77 (skipped) with --check when that version is not installed: another one formats differently.
"""
import pathlib
import re
import shutil
import subprocess
import sys

PINNED = 14
ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("include", "src", "tests", "bench", "examples")
SUFFIXES = {".hpp", ".cpp", ".cu", ".cuh"}
SKIPPED = 77


def find_formatter():
    """Returns the pinned clang-format's path, or None and what was found instead."""
    seen = []
    for name in (f"clang-format-{PINNED}", "clang-format"):
        path = shutil.which(name)
        if not path:
            continue
        text = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
        major = re.search(r"version (\d+)\.", text)
        if major and int(major[1]) == PINNED:
            return path, seen
        seen.append(f"{name} is {text.strip()}")
    return None, seen


def main(arguments):
    formatter, seen = find_formatter()
    check = "--check" in arguments
    if not formatter:
        print(f"clang-format {PINNED} is not installed" + "".join(f"; {s}" for s in seen))
        return SKIPPED if check else 1
    sources = sorted(str(p.relative_to(ROOT)) for folder in FOLDERS
                     for p in (ROOT / folder).rglob("*") if p.suffix in SUFFIXES)
    mode = ["--dry-run", "-Werror"] if check else ["-i"]
    done = subprocess.run([formatter, *mode, *sources], cwd=ROOT)
    print(f"{len(sources)} files " + ("looked at" if check else "formatted"))
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
