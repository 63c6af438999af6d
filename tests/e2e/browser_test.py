"""The pages in a real browser: Debian's Chromium, driven by the scripts in node/.

browser_test.py [--pictures DIR]   with --pictures it takes the documents' pictures instead
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from troupe_server import PATIENCE, ROOT, Server

SCRIPTS = pathlib.Path(__file__).resolve().parent / "node"
# Inside the build folder: nothing is installed into the sources.
MODULES = pathlib.Path(os.environ.get("TROUPE_NODE_MODULES", ROOT / "build" / "e2e-node"))
CHROMIUM = os.environ.get("TROUPE_CHROMIUM", "/usr/bin/chromium")
SKIPPED = 77  # what meson takes for "skipped"


def missing():
    """Why the pages cannot be tested here, or nothing."""
    for tool in ("node", "npm", CHROMIUM):
        if not shutil.which(tool):
            return f"there is no {tool} (Debian's nodejs, npm, chromium)"
    return install()


def install():
    """The packages that package-lock.json pins, once; why not, or nothing."""
    MODULES.mkdir(parents=True, exist_ok=True)
    names = ("package.json", "package-lock.json")
    wanted = [(SCRIPTS / name).read_bytes() for name in names]
    done = MODULES / "installed"
    if done.exists() and done.read_bytes() == b"".join(wanted):
        return None
    for name, text in zip(names, wanted):
        (MODULES / name).write_bytes(text)
    ran = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=MODULES,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if ran.returncode != 0:
        return "npm ci did not work here:\n" + ran.stdout[-2000:]
    done.write_bytes(b"".join(wanted))
    return None


def main():
    reason = missing()
    if reason:
        print("skipped: " + reason)
        return SKIPPED
    pictures = sys.argv[2:] if sys.argv[1:2] == ["--pictures"] else []
    with Server() as server, tempfile.TemporaryDirectory() as home:
        command = ["node", SCRIPTS / "browser.mjs", f"http://127.0.0.1:{server.port}/", MODULES,
                   *pictures]
        env = {**os.environ, "TROUPE_CHROMIUM": CHROMIUM, "HOME": home}
        return subprocess.run(command, env=env, timeout=500 * PATIENCE, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
