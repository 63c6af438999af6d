"""The load generators that people have: Locust (60 users), ab and wrk, and not one failure."""
import csv
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from troupe_server import Server

HERE = pathlib.Path(__file__).resolve().parent
NUM_USERS, SECONDS = 60, 15
BODY = {"prompt": "Once upon a time", "max_tokens": 8}
WRK_SCRIPT = """wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [[%s]]
""" % json.dumps(BODY)


def run(command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=240, **more)
    assert done.returncode == 0, f"{command[0]} failed:\n{done.stdout[-3000:]}"
    return done.stdout


def check_locust(url, folder):
    # Debian's Locust belongs to Debian's Python.
    run(["/usr/bin/python3", "-m", "locust", "-f", HERE / "chat_users.py", "--headless",
         "-u", str(NUM_USERS), "-r", "30", "-t", f"{SECONDS}s", "-H", url, "--only-summary",
         "--csv", folder / "locust"])
    with open(folder / "locust_stats.csv", newline="") as file:
        rows = {row["Name"]: row for row in csv.DictReader(file)}
    total = rows["Aggregated"]
    assert int(total["Failure Count"]) == 0, rows
    assert int(total["Request Count"]) > NUM_USERS, rows
    return f"Locust: {total['Request Count']} requests of {NUM_USERS} users, 0 failures"


def check_ab(url, folder):
    (folder / "body.json").write_text(json.dumps(BODY))
    text = run(["ab", "-q", "-k", "-n", "400", "-c", "16", "-l", "-p", folder / "body.json",
                "-T", "application/json", f"{url}/generate"])
    assert re.search(r"Complete requests:\s+400\b", text), text
    assert re.search(r"Failed requests:\s+0\b", text), text
    assert "Non-2xx" not in text, text
    return "ab: 400 requests, 0 failures"


def check_wrk(url, folder):
    (folder / "post.lua").write_text(WRK_SCRIPT)
    text = run(["wrk", "-t", "1", "-c", "32", "-d", "5s", "--timeout", "20s",
                "-s", folder / "post.lua", f"{url}/generate"])
    assert "Non-2xx" not in text and "Socket errors" not in text, text
    num_requests = int(re.search(r"(\d+) requests in", text)[1])
    assert num_requests > 32, text
    return f"wrk: {num_requests} requests, 0 failures"


def main():
    tools = {"ab": check_ab, "wrk": check_wrk, "locust": check_locust}
    missing = [name for name in tools if shutil.which(name) is None]
    if missing:
        print("skipped: not installed:", *missing)
        sys.exit(77)
    with Server() as server, tempfile.TemporaryDirectory() as folder:
        for check in tools.values():
            print(check(f"http://127.0.0.1:{server.port}", pathlib.Path(folder)), flush=True)
        server.wait_until(lambda: server.metric("troupe_kv_pages_used") == 0, 10, "pages free")


if __name__ == "__main__":
    main()
