"""What every attack must leave as it was: the process lives, a normal request is answered at once,
memory stays, and the tokens of others keep coming."""
import http.client
import json
import pathlib
import re
import socket
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from troupe_server import PATIENCE, Server  # noqa: E402

NORMAL = {"prompt": "Hello", "max_tokens": 4, "ignore_eos": True}
MAX_SECONDS = 1 * PATIENCE  # for a normal request
MAX_GROWTH = 64 << 20
# Other work on the machine holds a token up, too, so that only what nobody explains by that counts.
LEAST_GAP_SECONDS = 0.5 * PATIENCE


class Neighbour:
    """A stream that goes on and on, and the gaps between its tokens."""

    def __init__(self, server, key=None):
        self.server = server
        self.headers = {"Content-Type": "application/json"}
        if key:
            self.headers["Authorization"] = "Bearer " + key
        self.lock = threading.Lock()
        self.gaps, self.failure, self.is_over = [], None, False
        self.line = None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            while not self.is_over:
                self.read_one()
        except (OSError, http.client.HTTPException, AssertionError) as error:
            if not self.is_over:
                self.failure = error

    def read_one(self):
        self.line = http.client.HTTPConnection("127.0.0.1", self.server.port,
                                               timeout=60 * PATIENCE)
        body = {"prompt": "Tell me a very long story.", "max_tokens": 3000, "ignore_eos": True,
                "stream": True}
        self.line.request("POST", "/generate", json.dumps(body), self.headers)
        answer = self.line.getresponse()
        assert answer.status == 200, answer.read()
        last = None
        for line in answer:
            if not line.startswith(b"data: {"):
                continue
            now = time.monotonic()
            with self.lock:
                if last:
                    self.gaps.append(now - last)
            last = now
            assert b'"error"' not in line, line
        self.line.close()

    def take_gaps(self):
        with self.lock:
            gaps, self.gaps = self.gaps, []
        return sorted(gaps)

    def close(self):
        self.is_over = True
        if self.line.sock:
            self.line.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join(10 * PATIENCE)


def percentile(values, share):
    return values[min(len(values) - 1, int(share * len(values)))]


class Watch:
    """`with Watch(server) as watch: ... watch.check("what was done")` after every attack."""

    def __init__(self, server, key=None):
        self.server, self.key = server, key

    def __enter__(self):
        self.ask()  # what is allocated once is there
        self.neighbour = Neighbour(self.server, self.key)
        deadline = time.monotonic() + 30 * PATIENCE
        quiet = []
        while len(quiet) < 300:
            assert time.monotonic() < deadline and not self.neighbour.failure, \
                self.neighbour.failure
            time.sleep(0.2)
            quiet += self.neighbour.take_gaps()
        self.quiet_gap = percentile(sorted(quiet), 0.99)
        self.memory = self.server.rss_bytes()
        return self

    def __exit__(self, *_):
        self.neighbour.close()

    def ask(self):
        connection = self.server.connect()
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = "Bearer " + self.key
        begin = time.monotonic()
        connection.request("POST", "/generate", json.dumps(NORMAL), headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        assert answer.status == 200, text
        return time.monotonic() - begin

    def check(self, what):
        assert self.server.process.poll() is None, f"{what}: the server is gone"
        # The best of three: another process may hold the cores for a moment.
        seconds = []
        while not seconds or (min(seconds) > MAX_SECONDS and len(seconds) < 3):
            seconds.append(self.ask())
        assert min(seconds) <= MAX_SECONDS, f"{what}: a normal request took {seconds} s"
        growth = self.server.rss_bytes() - self.memory
        assert growth < MAX_GROWTH, f"{what}: {growth >> 20} MiB more memory"
        assert not self.neighbour.failure, f"{what}: another stream broke: {self.neighbour.failure}"
        gaps = self.neighbour.take_gaps()
        most = max(2 * self.quiet_gap, LEAST_GAP_SECONDS)
        if gaps:
            worst = percentile(gaps, 0.99)
            assert worst < most, f"{what}: another stream's tokens came every {worst:.2f} s"
        print(f"{what}: a request in {min(seconds) * 1e3:.0f} ms, {growth / 2**20:.1f} MiB more, "
              f"{len(gaps)} tokens of another", flush=True)


def exchange(server, data, seconds=10, most=1 << 20):
    """Everything that the server says to these bytes until it closes or is silent."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=seconds * PATIENCE) as line:
        try:
            line.sendall(data)
            line.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        return read_end(line, most)


def read_end(line, most=1 << 20):
    said = b""
    try:
        while len(said) < most and (piece := line.recv(65536)):
            said += piece
    except ConnectionResetError:
        pass
    return said


def statuses(said):
    """Of all answers, one after the other."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", said)]


def status_of(said):
    return statuses(said)[0] if said.startswith(b"HTTP/1.1 ") else None


__all__ = ["NORMAL", "Watch", "Server", "PATIENCE", "exchange", "read_end", "status_of",
           "statuses", "percentile"]
