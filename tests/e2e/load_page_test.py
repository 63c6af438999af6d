"""Load tests that the server's own page starts (POST /load_tests): docs/bench.md."""
import csv
import io
import json
import os
import pathlib
import signal
import tempfile
import time

from troupe_server import PATIENCE, Server

FAST = ["--device", "null", "--enable-load-tests"]
# Eight tokens a request: what the machine does beside it is not tested here.
SMALL = {"prompt_words": 4, "max_tokens": 8, "ignore_eos": True, "max_send_lag": "10s"}
FILES = ["report.html", "report.json", "report.csv", "history.csv", "failures.csv",
         "ledger.jsonl"]


class Page(Server):
    """A server with a folder of its own for what its tests leave."""

    def __init__(self, *flags, key=None):
        super().__init__(*FAST, *flags)
        self.key = key

    def __enter__(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.environment = {**self.environment, "TMPDIR": self.temporary.name}
        return super().__enter__()

    def __exit__(self, *why):
        try:
            super().__exit__(*why)
        finally:
            self.temporary.cleanup()

    def is_up(self):
        return Server.get(self, "/ready")[0] == 200

    def call(self, method, path, body=None, headers=None):
        """Status, headers, bytes."""
        headers = {**({"Authorization": "Bearer " + self.key} if self.key else {}),
                   **({"Content-Type": "application/json"} if body is not None else {}),
                   **(headers or {})}
        connection = self.connect()
        try:
            data = body if isinstance(body, (str, type(None))) else json.dumps(body)
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def json(self, method, path, body=None, headers=None):
        status, _, text = self.call(method, path, body, headers)
        return status, json.loads(text)

    def start(self, **fields):
        status, test = self.json("POST", "/load_tests", {**SMALL, **fields})
        assert status == 201, (status, test)
        assert test["state"] == "running" and test["ended_at"] is None, test
        return test["id"]

    def test(self, test_id, query=""):
        status, test = self.json("GET", f"/load_tests/{test_id}{query}")
        assert status == 200, (status, test)
        return test

    def wait_for_end(self, test_id, seconds=60):
        self.wait_until(lambda: self.test(test_id)["ended_at"], seconds, "the test is over")
        return self.test(test_id)

    def wait_for_progress(self, test_id):
        self.wait_until(lambda: self.test(test_id)["progress"], 30, "a second of progress")

    def children(self):
        """Pids of the processes that ask."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if words[1:2] == [b"bench"] and f":{self.port}".encode() in words[2]:
                    found.append(int(entry.name))
            except (OSError, IndexError):
                continue
        return found

    def folders(self):
        return os.listdir(self.temporary.name)


def test_whole_run(server):
    counted = ["vllm:request_success_total", "vllm:generation_tokens_total",
               "vllm:prompt_tokens_total"]
    before = [server.metric(name) for name in counted]
    assert server.metric("troupe_load_test_running") == 0
    test_id = server.start(rate=20, duration="3s", slo="success>=99%", arrival="constant")
    status, refused = server.json("POST", "/load_tests", {"rate": 5})
    assert status == 409 and test_id in refused["error"]["message"], (status, refused)
    status, _, text = server.call("GET", f"/load_tests/{test_id}/report.json")
    assert status == 404 and b"it runs" in text, (status, text)
    server.wait_for_progress(test_id)
    running = server.test(test_id)
    assert running["state"] == "running" and running["progress"][0]["second"] == 0
    assert server.metric("troupe_load_test_running") == 1
    # What is known already is not told again.
    later = server.test(test_id, "?from=1")
    assert later["progress_from"] >= 1 and all(p["second"] > 0 for p in later["progress"])
    over = server.wait_for_end(test_id)
    assert over["state"] == "finished" and over["exit_status"] == 0, over
    assert over["verdict"] == "passed" and not over["was_stopped"] and over["error"] is None
    assert over["files"] == FILES, over["files"]
    assert [clause["is_met"] for clause in over["result"]["slo"]] == [True], over["result"]
    server.wait_until(lambda: server.metric("troupe_load_test_running") == 0, 10, "the gauge")

    saved = {}
    for name in FILES:
        status, headers, saved[name] = server.call("GET", f"/load_tests/{test_id}/{name}")
        assert status == 200, (name, status, saved[name])
        assert int(headers["Content-Length"]) == len(saved[name])
        kind = "inline" if name.endswith(".html") else "attachment"
        assert headers["Content-Disposition"].startswith(kind + "; filename="), headers
        assert headers["Content-Security-Policy"] == "sandbox allow-scripts", headers
    assert saved["report.html"].startswith(b"<!doctype html>")
    report = json.loads(saved["report.json"])
    totals = report["overall"]["totals"]
    assert totals["succeeded"] == report["completed"] == over["result"]["completed"] == 60, totals
    # The server counted the same requests and tokens.
    after = [server.metric(name) for name in counted]
    grown = [b - a for a, b in zip(before, after)]
    assert grown == [totals["succeeded"], totals["output_tokens"], totals["prompt_tokens"]], \
        (grown, totals)
    ledger = [json.loads(line) for line in saved["ledger.jsonl"].splitlines()]
    assert len(ledger) == totals["sent"]
    rows = list(csv.DictReader(io.StringIO(saved["report.csv"].decode())))
    assert int(rows[-1]["Request Count"]) == totals["succeeded"]
    assert sum(point["succeeded"] for point in over["progress"]) == totals["succeeded"]
    assert over["progress"] == report["series"]
    # HEAD tells the length alone.
    status, headers, nothing = server.call("HEAD", f"/load_tests/{test_id}/ledger.jsonl")
    assert (status, nothing) == (200, b"")
    assert int(headers["Content-Length"]) == len(saved["ledger.jsonl"])


def test_missed_slo(server):
    test_id = server.start(users=2, duration="1s", slo="e2e_mean<1us")
    over = server.wait_for_end(test_id)
    assert over["state"] == "finished" and over["verdict"] == "slo missed", over
    assert [clause["is_met"] for clause in over["result"]["slo"]] == [False]


def test_stop(server):
    test_id = server.start(users=3, duration="10m")
    server.wait_for_progress(test_id)
    begin = time.monotonic()
    status, stopping = server.json("POST", f"/load_tests/{test_id}/stop")
    assert status == 200 and stopping["state"] in ("stopping", "finished"), stopping
    over = server.wait_for_end(test_id)
    took = time.monotonic() - begin
    assert took < 2 * max(PATIENCE, 1), f"{took} s"
    assert over["was_stopped"] and over["state"] == "finished", over
    status, report = server.json("GET", f"/load_tests/{test_id}/report.json")
    assert status == 200 and report["is_interrupted"], report["verdict"]
    assert server.children() == []
    # Again: nothing changes.
    status, again = server.json("POST", f"/load_tests/{test_id}/stop")
    assert (status, again["state"]) == (200, "finished")
    # One that was stopped before it asked anything says so.
    test_id = server.start(rate=1, duration="10m")
    server.json("POST", f"/load_tests/{test_id}/stop")
    over = server.wait_for_end(test_id)
    if over["state"] == "failed":
        assert over["error"] == "was stopped before its first request", over
        status, why = server.json("GET", f"/load_tests/{test_id}/report.html")
        assert status == 404 and over["error"] in why["error"]["message"], why


def test_kept(server):
    status, listed = server.json("GET", "/load_tests")
    before = [test["id"] for test in listed["data"]]
    assert status == 200 and before == sorted(before, key=int, reverse=True), before
    while len(before) < 8:
        test_id = server.start(users=1, max_requests=1)
        assert server.wait_for_end(test_id)["state"] == "finished"
        before.insert(0, test_id)
    newest = server.start(users=1, max_requests=1)
    server.wait_for_end(newest)
    _, listed = server.json("GET", "/load_tests")
    assert [test["id"] for test in listed["data"]] == [newest, *before[:7]]
    assert server.json("GET", f"/load_tests/{before[7]}")[0] == 404
    assert server.json("GET", f"/load_tests/{before[7]}/report.json")[0] == 404
    assert len(server.folders()) == 8, server.folders()


def test_refusals(server):
    for body, field, part in [
            ({"rate": "fast"}, "rate", "fast"), ({"rate": 5, "users": 2}, "users", "exclude"),
            ({}, "plan", "needed"), ({"plan": "spike"}, "plan", "--rate or --users"),
            ({"rate": 5, "slo": "quick"}, "slo", "quick"),
            ({"rate": 5, "duration": "2h"}, "duration", "3600"),
            ({"rate": 5, "url": "http://elsewhere/"}, "url", "url"),
            ({"rate": 5, "json": "/tmp/x"}, "json", "json"),
            ({"rate": "5\n--ledger=/tmp/x"}, "rate", "control")]:
        status, answer = server.json("POST", "/load_tests", body)
        error = answer["error"]
        assert status == 400 and error["param"] == field and part in error["message"], \
            (body, status, answer)
    assert server.json("POST", "/load_tests", "{")[0] == 400
    assert server.call("POST", "/load_tests", "{}", {"Content-Type": "text/plain"})[0] == 415
    for path in ["/load_tests/99", "/load_tests/x", "/load_tests/1x", "/load_tests/-1",
                 "/load_tests/99/report.json", "/load_tests/99/..%2f..%2fetc%2fpasswd"]:
        status, answer = server.json("GET", path)
        assert status == 404, (path, status, answer)
    assert server.json("GET", "/load_tests/1/secrets.txt")[0] == 404
    assert server.json("POST", "/load_tests/99/stop")[0] == 404


def test_foreign_page(server):
    own = f"http://127.0.0.1:{server.port}"
    for path in ["/load_tests", "/load_tests/1/stop"]:
        for origin in ["http://evil.example", "null"]:
            status, answer = server.json("POST", path, {"rate": 5}, {"Origin": origin})
            assert status == 403 and "origin" in answer["error"]["message"], (status, answer)
    assert server.children() == []
    # Our own page may.
    status, answer = server.json("POST", "/load_tests", {"rate": "x"}, {"Origin": own})
    assert status == 400, (status, answer)


def test_with_key():
    flags = ["--api-key", "first-key", "--api-key", "second-key"]
    with Page(*flags) as server:
        server.key = None
        for method, path in [("POST", "/load_tests"), ("GET", "/load_tests"),
                             ("GET", "/load_tests/1"), ("POST", "/load_tests/1/stop"),
                             ("GET", "/load_tests/1/report.html")]:
            assert server.call(method, path, {} if method == "POST" else None)[0] == 401, path
        server.key = "second-key"
        test_id = server.start(users=2, duration="1s")
        server.wait_until(server.children, 10, "the process that asks")
        words = pathlib.Path(f"/proc/{server.children()[0]}/cmdline").read_bytes()
        assert b"key" not in words, words
        over = server.wait_for_end(test_id)
        assert over["verdict"] == "passed" and over["result"]["completed"] > 0, over
        text = server.call("GET", f"/load_tests/{test_id}/report.json")[2]
        assert b"second-key" not in text and b"first-key" not in text


def test_ends():
    """Whoever asks ends with the server, also one that stands still and would notice nothing."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        server = Page()
        server.__enter__()
        try:
            test_id = server.start(users=2, duration="10m")
            server.wait_for_progress(test_id)
            children = server.children()
            assert len(children) == 1
            os.kill(children[0], signal.SIGSTOP)
            begin = time.monotonic()
            server.process.send_signal(how)
            server.process.wait(40 * PATIENCE)
            server.wait_until(lambda: not server.children(), 1, f"no child after {how.name}")
            if how == signal.SIGTERM:
                took = time.monotonic() - begin
                assert took < 10 * PATIENCE, f"the server took {took} s to end"
                assert server.folders() == [], server.folders()
        finally:
            for pid in server.children():
                os.kill(pid, signal.SIGKILL)
            if how == signal.SIGKILL:
                server.process.wait(10)
                server.process.returncode = 0  # as the test wanted it
            server.__exit__()


def test_switched_off():
    with Server("--device", "null") as server:
        for path in ["/load_tests", "/load_tests/1", "/load_tests/1/report.html"]:
            status, text = server.get(path)
            assert status == 404 and "--enable-load-tests" in text, (path, status, text)
        for path in ["/load_tests", "/load_tests/1/stop"]:
            status, answer = server.post({"rate": 1}, path=path)
            assert status == 404 and "--enable-load-tests" in answer["error"]["message"], answer
        assert json.loads(server.get("/server_info")[1])["features"]["load_tests"] is False


def main():
    with Page() as server:
        assert json.loads(server.get("/server_info")[1])["features"]["load_tests"] is True
        test_whole_run(server)
        test_missed_slo(server)
        test_stop(server)
        test_kept(server)
        test_refusals(server)
        test_foreign_page(server)
    test_with_key()
    test_ends()
    test_switched_off()


if __name__ == "__main__":
    main()
