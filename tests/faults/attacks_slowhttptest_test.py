"""slowhttptest's slow heads, bodies and reads, 1,000 connections each, against the default timeouts
(docs/attacks.md, 4 to 6)."""
import json
import re
import resource
import shutil
import subprocess
import sys
import threading
import time

from attack_watch import PATIENCE, Server, Watch

NUM_CONNECTIONS = 1000
# The flags of a mode, and whether all connections must be closed by the server before its end.
MODES = {
    "slow heads": ["-H", "-i", "3", "-x", "24"],
    "slow bodies": ["-B", "-i", "3", "-s", "8192", "-x", "10", "-f", "application/json"],
    "slow reads": ["-X", "-w", "10", "-y", "20", "-n", "5", "-z", "5", "-k", "3"],
}
PATHS = {"slow heads": "/generate", "slow bodies": "/generate", "slow reads": "/chat/app.js"}


def run(server, watch, mode):
    """While it runs a normal request is answered again and again."""
    url = f"http://127.0.0.1:{server.port}{PATHS[mode]}"
    command = ["slowhttptest", *MODES[mode], "-c", str(NUM_CONNECTIONS), "-r", "400", "-l", "75",
               "-p", "3", "-u", url]
    found = {}

    def wait():
        found["done"] = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                       text=True, timeout=200 * PATIENCE, check=False)

    thread = threading.Thread(target=wait)
    thread.start()
    num_served = 0
    while thread.is_alive():
        status, answer = server.post({"prompt": "Hello", "max_tokens": 2})
        assert status == 200, answer
        num_served += 1
        time.sleep(0.2)
    text = re.sub(r"\x1b\[[0-9;]*m", "", found["done"].stdout)
    assert re.search(r"service available:\s+YES", text), text[-1500:]
    assert not re.search(r"service available:\s+NO", text), text[-1500:]
    if mode != "slow reads":
        assert "No open connections left" in text, text[-1500:]
    watch.check(f"{mode}, {NUM_CONNECTIONS} connections, {num_served} requests meanwhile")


def main():
    if not shutil.which("slowhttptest"):
        print("skipped: Debian's slowhttptest is not installed")
        sys.exit(77)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * NUM_CONNECTIONS + 200
    if hard != resource.RLIM_INFINITY and hard < needed:
        print(f"skipped: needs {needed} file descriptors, may have {hard}")
        sys.exit(77)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    with Server("--max-model-len", 4096) as server, Watch(server) as watch:
        for mode in MODES:
            run(server, watch, mode)
    print(json.dumps(list(MODES)))


if __name__ == "__main__":
    main()
