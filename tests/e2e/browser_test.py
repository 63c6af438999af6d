"""The pages in a real browser: Debian's Chromium, driven by the scripts in node/.

browser_test.py [--pictures DIR]   with --pictures it takes the documents' pictures instead
"""
import os
import shutil
import subprocess
import sys
import tempfile

from node_packages import MODULES, SCRIPTS, SKIPPED, install
from troupe_server import PATIENCE, Server

CHROMIUM = os.environ.get("TROUPE_CHROMIUM", "/usr/bin/chromium")


def missing():
    """Why the pages cannot be tested here, or nothing."""
    if not shutil.which(CHROMIUM):
        return f"there is no {CHROMIUM} (Debian's chromium)"
    return install()


def main():
    reason = missing()
    if reason:
        print("skipped: " + reason)
        return SKIPPED
    pictures = sys.argv[2:] if sys.argv[1:2] == ["--pictures"] else []
    with Server("--enable-load-tests") as server, tempfile.TemporaryDirectory() as home:
        command = ["node", SCRIPTS / "browser.mjs", f"http://127.0.0.1:{server.port}/", MODULES,
                   *pictures]
        env = {**os.environ, "TROUPE_CHROMIUM": CHROMIUM, "HOME": home}
        return subprocess.run(command, env=env, timeout=500 * PATIENCE, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
