#!/usr/bin/env python3
"""Every fuzzing target for SECONDS, in a build of its own; what it finds is not kept.

nightly.py ROOT SECONDS   skipped where there is no clang, which has the fuzzer
"""
import os
import shutil
import subprocess
import sys


def main():
    root, seconds = sys.argv[1:]
    if not shutil.which("clang++"):
        print("skipped: there is no clang++ (Debian's clang and libclang-rt-14-dev)")
        return 77
    # meson's own settings for its tests are not those of a build.
    env = {name: value for name, value in os.environ.items()
           if not name.startswith(("MESON_", "ASAN_", "UBSAN_", "MALLOC_"))}
    return subprocess.run([f"{root}/dev", "fuzz", seconds, "--no-keep"], env=env,
                          check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
