"""Runs the JavaScript tests of this folder with `node --test`."""
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
OLDEST = 18
SKIPPED = 77  # what meson takes for "skipped"


def main():
    node = shutil.which("node")
    if not node:
        print("skipped: there is no node (Debian's nodejs)")
        return SKIPPED
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(re.match(r"v(\d+)", version)[1]) < OLDEST:
        print(f"skipped: node {version.strip()} is older than {OLDEST}")
        return SKIPPED
    tests = sorted(map(str, HERE.glob("*_test.mjs")))
    return subprocess.run([node, "--test", *tests], cwd=HERE, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
