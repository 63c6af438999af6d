"""OpenAI's own client for Node talks to the real server: node/openai_scenarios.mjs."""
import subprocess
import sys

from node_packages import MODULES, SCRIPTS, SKIPPED, install
from troupe_server import PATIENCE, Server


def main():
    reason = install()
    if reason:
        print("skipped: " + reason)
        return SKIPPED
    with Server("--served-model-name", "demo") as server:
        command = ["node", SCRIPTS / "openai_scenarios.mjs", f"http://127.0.0.1:{server.port}",
                   MODULES]
        return subprocess.run(command, timeout=200 * PATIENCE, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
