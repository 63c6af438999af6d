"""The levels of overload: above 85 % of --memory-limit answers end their connections, above 92 %
new work hears 503 at once, above 95 % nobody is accepted but a few for health and metrics; all of
it ends when the memory is given back."""
import contextlib
import json
import re
import socket
import time

from ledger import Ledger, patient
from troupe_server import Server

LIMIT = 512 << 20
HELD_BODY = 8 << 20  # declared by each client that holds memory, sent bit by bit
LEVELS = ("none", "closing", "refusing", "pausing")
JOB = {"prompt": "Hello", "max_tokens": 4}


class Hoarder:
    """Clients that have begun large bodies and send them as slowly as they may."""

    def __init__(self, server, number):
        head = b"POST /generate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" \
               b"Content-Length: %d\r\n\r\n{\"prompt\": \"" % HELD_BODY
        self.clients = [socket.create_connection(("127.0.0.1", server.port))
                        for _ in range(number)]
        self.sent = 0
        for client in self.clients:
            client.sendall(head)

    def send(self, num_bytes):
        piece = b"x" * (num_bytes // len(self.clients))
        for client in self.clients:
            client.sendall(piece)
        self.sent += len(piece)
        assert self.sent < HELD_BODY, "the bodies are not large enough"

    def leave(self):
        for client in self.clients:
            client.close()


def held(server):
    text = server.get("/metrics")[1]
    parts = dict(re.findall(r'troupe_memory_held_bytes\{part="(\w+)"\} (\S+)', text))
    return {part: float(value) for part, value in parts.items()}


def level(server):
    return int(server.metric("troupe_overload_level"))


def climb(server, hoarder, wanted):
    """Holds more and more until the server says that it has reached the level."""
    deadline = time.monotonic() + patient(60)
    while level(server) < wanted:
        assert time.monotonic() < deadline, held(server)
        share = sum(held(server).values()) / LIMIT
        hoarder.send((32 if share < 0.7 else 8 if share < 0.8 else 2) << 20)
        time.sleep(0.3)  # one look of the server's, and a bit
    assert level(server) == wanted, (wanted, level(server), held(server), list(server.log)[-6:])


def post(connection, body=JOB):
    connection.request("POST", "/generate", json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, answer.getheader("Connection"), answer.getheader("Retry-After"), \
        answer.read()


def check_none(server):
    with contextlib.closing(server.connect()) as kept:
        for _ in range(3):
            status, connection, _, body = post(kept)
            assert status == 200 and connection != "close", (status, connection, body)


def check_closing(server):
    for stream in (False, True):
        with contextlib.closing(server.connect()) as one:
            status, connection, _, body = post(one, JOB | {"stream": stream})
            assert (status, connection) == (200, "close"), (status, connection, body)


def check_refusing(server):
    worst = 0
    for path in ("/generate", "/v1/chat/completions", "/v1/messages"):
        with contextlib.closing(server.connect()) as one:
            began = time.monotonic()
            one.request("POST", path, json.dumps(JOB), {"Content-Type": "application/json"})
            answer = one.getresponse()
            text = answer.read().decode()
            worst = max(worst, time.monotonic() - began)
            assert answer.status == 503 and int(answer.getheader("Retry-After")) >= 1, text
            assert answer.getheader("Connection") == "close" and "memory" in text, text
    check_answers(server)
    return worst


def check_answers(server):
    for path in ("/health", "/ready", "/metrics", "/v1/models"):
        assert server.get(path)[0] == 200, path


def check_pausing(server):
    """Those who connect and say nothing hold all places for two seconds at most, and whoever asks
    for health gets the next one."""
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(16)]
    began = time.monotonic()
    assert server.get("/health")[0] == 200
    waited = time.monotonic() - began
    before = server.metric("troupe_http_connections")
    assert before < 64 + 16, before  # those who hold bodies, eight, and whoever asks
    assert waited < patient(30), waited
    for client in idle:
        client.close()
    check_refusing(server)
    return waited


def check_log(server):
    lines = [line for line in server.log if "memory:" in line and "MiB held" in line]
    rising = [line for line in lines if "[warning]" in line]
    assert any("end their connections" in line for line in rising), lines
    assert any("new work is refused" in line for line in rising), lines
    assert any("accepting pauses" in line for line in rising), lines
    assert any("all is served as ever" in line for line in lines), lines
    entered = server.metric("troupe_overload_entered_total")
    assert len(rising) <= entered <= 12, (lines, entered)


def main():
    with Server("--memory-limit", f"{LIMIT >> 20}MiB", "--kv-cache-memory-bytes", "32MiB",
                "--gpu-memory-utilization", 0.7,
                "--max-model-len", 2048, "--max-bodies-bytes", "1GiB", "--body-timeout", "120s",
                "--no-enable-prefix-caching") as server:
        ledger = Ledger(server)
        parts = held(server)
        assert parts["kv_pages"] == 32 << 20 and parts["weights"] > 1 << 20, parts
        assert server.metric("troupe_memory_limit_bytes") == LIMIT
        assert level(server) == 0, parts
        check_none(server)
        hoarder = Hoarder(server, 64)
        climb(server, hoarder, 1)
        assert held(server)["bodies"] > 64 << 20, held(server)
        check_closing(server)
        climb(server, hoarder, 2)
        worst = check_refusing(server)
        climb(server, hoarder, 3)
        waited = check_pausing(server)
        top = sum(held(server).values())
        hoarder.leave()
        began = time.monotonic()
        server.wait_until(lambda: level(server) == 0, 20, "the memory is given back")
        back = time.monotonic() - began
        check_none(server)
        check_log(server)
        assert server.metric("troupe_overload_closed_connections_total") > 0
        ledger.quiet()
    print(f"memory: refused in {worst * 1e3:.1f} ms, health while paused after {waited:.2f} s, "
          f"{top / (1 << 20):.0f} MiB at the top, normal again after {back:.2f} s")


if __name__ == "__main__":
    main()
