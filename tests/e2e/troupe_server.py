"""Starts the real server for an end-to-end test and talks to it as a client would."""
import concurrent.futures
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO = ROOT / "models" / "demo"
BINARY = os.environ.get("TROUPE_BINARY", str(ROOT / "build" / "src" / "troupe"))
# Sanitizers slow everything down; the promises stay, the patience grows.
PATIENCE = float(os.environ.get("TROUPE_PATIENCE", "1"))
# What configures the tests must not configure the server.
PLAIN_ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("TROUPE_")}


class Server:
    """`troupe serve` on a free port of 127.0.0.1, ready when the `with` block begins."""

    def __init__(self, *flags, model=DEMO):
        self.command = [BINARY, "serve", str(model), "--port", "0", *map(str, flags)]
        self.environment = PLAIN_ENVIRONMENT

    def __enter__(self):
        self.process = subprocess.Popen(self.command, env=self.environment, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)
        self.log = []
        for line in self.process.stdout:
            self.log.append(line)
            found = re.search(r"https?://127\.0\.0\.1:(\d+)", line)
            if found:
                self.port = int(found[1])
                break
        else:
            raise AssertionError("the server did not start:\n" + "".join(self.log))
        # A pipe that nobody reads is full one day, and holds whoever writes a line.
        self.reader = threading.Thread(target=lambda: self.log.extend(self.process.stdout))
        self.reader.start()
        self.wait_until(self.is_up, 30, "ready")
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(40 * PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        self.reader.join()
        self.process.stdout.close()
        # Sanitizers report on the way out.
        assert self.process.returncode == 0, \
            f"exit status {self.process.returncode}:\n" + "".join(self.log[-60:])

    def is_up(self):
        return self.get("/ready")[0] == 200

    def connect(self, timeout=120):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout * PATIENCE)

    def get(self, path):
        connection = self.connect()
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def post(self, body, connection=None, path="/generate"):
        """Status and parsed JSON (or text) of one POST."""
        mine = connection or self.connect()
        try:
            data = body if isinstance(body, (bytes, str)) else json.dumps(body)
            if isinstance(data, str):
                data = data.encode()
            mine.request("POST", path, data, {"Content-Type": "application/json"})
            answer = mine.getresponse()
            text = answer.read().decode()
            try:
                return answer.status, json.loads(text)
            except ValueError:
                return answer.status, text
        finally:
            if not connection:
                mine.close()

    def post_all(self, bodies, concurrency, path="/generate"):
        with concurrent.futures.ThreadPoolExecutor(concurrency) as pool:
            return list(pool.map(lambda body: self.post(body, path=path), bodies))

    def metric(self, name):
        """The sum of a metric's samples."""
        line = rf"^{re.escape(name)}(?:\{{[^}}]*\}})? (\S+)$"
        values = re.findall(line, self.get("/metrics")[1], re.M)
        assert values, f"no metric {name}"
        return sum(map(float, values))

    def is_filling_memory(self):
        """The pages of the KV cache get their memory beside the first requests."""
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            try:
                if (task / "comm").read_text() == "memory filler\n":
                    return True
            except OSError:
                continue  # it ended meanwhile
        return False

    def rss_bytes(self):
        self.wait_until(lambda: not self.is_filling_memory(), 60, "memory is filled")
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024

    def wait_until(self, condition, seconds, what):
        deadline = time.monotonic() + seconds * PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
            time.sleep(0.01)
