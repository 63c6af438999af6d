"""Attacks on HTTP, over sockets, against the real server (docs/attacks.md, 1 to 21)."""
import json
import re
import socket
import time

from attack_watch import NORMAL, PATIENCE, Server, Watch, exchange, read_end, status_of, statuses

HOST = b"Host: h\r\n"
JSON = b"Content-Type: application/json\r\n"
POST = b"POST /generate HTTP/1.1\r\n" + HOST + JSON
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
BODY = json.dumps(NORMAL).encode()
SIZED = POST + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
GET = b"GET /version HTTP/1.1\r\n" + HOST

# What is sent, what is answered; the connection is closed behind all but those of KEPT.
WRONG = [
    ("a head of 9 KiB", GET + b"X: " + b"a" * 9000 + b"\r\n\r\n", 431),
    ("101 headers", GET + b"A: b\r\n" * 100 + b"\r\n", 431),
    ("a line of 9 KiB", b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    ("a method of 40 KiB", b"A" * 40_000, 414),
    ("length and coding", POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("two lengths", POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
    ("xchunked", POST + b"Transfer-Encoding: xchunked\r\n\r\n", 501),
    ("chunked, identity", POST + b"Transfer-Encoding: chunked, identity\r\n\r\n", 501),
    ("gzip, chunked", POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
    ("a coding with 1.0", b"POST /generate HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("no Host", b"GET /version HTTP/1.1\r\n\r\n", 400),
    ("two Hosts", GET + HOST + b"\r\n", 400),
    ("a Host of HTML", b"GET /version HTTP/1.1\r\nHost: <b>\r\n\r\n", 400),
    ("a folded header", GET + b"X: a\r\n b\r\n\r\n", 400),
    ("bare LF", b"GET /version HTTP/1.1\nHost: h\n\n\r\n\r\n", 400),
    ("bare CR", GET + b"X: a\rb\r\n\r\n", 400),
    ("NUL", GET + b"X: a\0b\r\n\r\n", 400),
    ("a blank before the colon", GET + b"X : a\r\n\r\n", 400),
    ("an empty name", GET + b": a\r\n\r\n", 400),
    ("chunk size 0x2", CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n", 400),
    ("chunk size -1", CHUNKED + b"-1\r\n{}\r\n0\r\n\r\n", 400),
    ("a chunk size beyond 64 bits", CHUNKED + b"1" * 17 + b"\r\n{}\r\n0\r\n\r\n", 400),
    ("a chunk without CRLF", CHUNKED + b"2\r\n{}XX0\r\n\r\n", 400),
    ("HTTP/0.9", b"GET /version\r\n\r\n", 400),
    ("HTTP/2.0", b"GET /version HTTP/2.0\r\n" + HOST + b"\r\n", 505),
    ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 60, 400),
    ("two blanks", b"GET  /version HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("a target beyond ASCII", b"GET /\xc3\xa9 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("an absolute target", b"GET http://h/version HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("CONNECT", b"CONNECT h:80 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("another expectation", POST + b"Expect: 200-ok\r\nContent-Length: 2\r\n\r\n{}", 417),
]
KEPT = [
    ("dots in the path", b"GET /../../etc/passwd HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    ("dots in the pages", b"GET /chat/../../x HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    ("dots in escapes", b"GET /chat/%2e%2e/%2e%2e/x HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    ("the same length twice", POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400),
    ("text instead of JSON", b"POST /generate HTTP/1.1\r\n" + HOST +
     b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 415),
    ("TRACE", b"TRACE /version HTTP/1.1\r\n" + HOST + b"\r\n", 405),
]


def check_wrong(server):
    for what, data, status in WRONG:
        said = exchange(server, data)
        assert status_of(said) == status, (what, said[:300])
        assert b"\r\nConnection: close\r\n" in said and len(statuses(said)) == 1, (what, said)
    for what, data, status in KEPT:
        said = exchange(server, data + GET + b"\r\n")
        assert statuses(said) == [status, 200], (what, said[:600])


def check_long_bodies(server, watch):
    """Refused before they come, or as soon as they are too long; never kept."""
    for size in (8 * 2**20 + 1, 1 << 30, 1 << 62):
        said = exchange(server, POST + b"Content-Length: %d\r\n\r\n" % size)
        assert status_of(said) == 413, said[:300]
    said = exchange(server, CHUNKED + (b"100000\r\n" + b" " * 2**20 + b"\r\n") * 9)
    assert status_of(said) == 413, said[:300]
    watch.check("bodies that are too long")


def flood(server, head, piece, most=256 << 20):
    """Sends without end; how much was taken before the server had enough, and what it said."""
    sent = 0
    with socket.create_connection(("127.0.0.1", server.port), timeout=30 * PATIENCE) as line:
        try:
            line.sendall(head)
            while sent < most:
                line.sendall(piece)
                sent += len(piece)
        except OSError:
            pass
        return sent, read_end(line)


def check_endless_framing(server, watch):
    """What is no body costs nothing, however long it goes on."""
    chunk = CHUNKED + b"2\r\n{}\r\n0\r\n"
    for what, head, piece in (("an extension", CHUNKED + b"2;", b"a" * 65536),
                              ("a chunk's size", CHUNKED, b"0" * 65536),
                              ("trailers", chunk, b"A: b\r\n" * 10_000),
                              ("a trailer", chunk + b"A: ", b"a" * 65536)):
        sent, said = flood(server, head, piece)
        assert sent < 64 << 20, f"{what} without an end: {sent >> 20} MiB were taken"
        assert status_of(said) in (400, None), (what, said[:300])  # a reset may go before it
        watch.check(f"{what} without an end")


def check_pipelines(server, watch):
    """A thousand requests at once: answered in order, or refused at once, and nothing piles up."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60 * PATIENCE) as line:
        line.sendall((GET + b"\r\n") * 1000 + SIZED + GET + b"Connection: close\r\n\r\n")
        said = read_end(line, 8 << 20)
    assert statuses(said) == [200] * 1002, set(statuses(said))
    ids = [int(x, 16) for x in re.findall(rb"X-Request-Id: req-([0-9a-f]+)", said)]
    assert len(ids) == 1002 and ids == sorted(ids)
    watch.check("a thousand requests in one stream")


def check_labels(server, watch, num=20_000):
    """Whatever the clients' words are, they make no metric."""
    for begin in range(0, num // 2, 1000):
        said = exchange(server, b"".join(b"M%d /version HTTP/1.1\r\n" % i + HOST + b"\r\n" +
                                         b"GET /p%d HTTP/1.1\r\n" % i + HOST + b"\r\n"
                                         for i in range(begin, begin + 1000)), 60, 8 << 20)
        assert statuses(said) == [405, 404] * 1000, set(statuses(said))
    labels = set(re.findall(r'(method|handler)="([^"]*)"', server.get("/metrics")[1]))
    assert ("method", "other") in labels and ("handler", "other") in labels, labels
    assert len(labels) < 20, labels
    watch.check(f"{num} unknown methods and paths")


def check_continue(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=20 * PATIENCE) as line:
        head, body = SIZED.split(b"\r\n\r\n")
        line.sendall(head + b"\r\nExpect: 100-continue\r\n\r\n")
        assert line.recv(1000).startswith(b"HTTP/1.1 100 ")
        line.sendall(body)
        assert line.recv(1000).startswith(b"HTTP/1.1 200 ")


def check_slow_bodies(server, watch):
    """Bodies that come byte by byte are cut off, though each byte is in time."""
    lines = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(100)]
    for line in lines:
        line.sendall(POST + b"Content-Length: 5000\r\n\r\n")
    begin, waiting, told = time.monotonic(), set(lines), 0
    while waiting:
        assert time.monotonic() - begin < 40 * PATIENCE, f"{len(waiting)} are still there"
        for line in list(waiting):
            line.setblocking(False)
            try:
                line.send(b" ")
                said = line.recv(1000)
            except BlockingIOError:
                continue
            except OSError:
                said = b""
            told += status_of(said) == 408
            waiting.remove(line)
            line.close()
        time.sleep(0.1)
    assert told > 50, told
    watch.check(f"100 slow bodies, {told} told so")


def check_deaf_readers(server, watch):
    """Readers of long answers that do not read: cancelled, and their pages come back."""
    wanted = {"prompt": "A story", "max_tokens": 3500, "ignore_eos": True, "stream": True,
              "logprobs": 5}
    text = json.dumps(wanted).encode()
    before = server.metric("vllm:num_requests_running")
    lines = []
    for _ in range(4):
        line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect(("127.0.0.1", server.port))
        line.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(text) + text)
        lines.append(line)
    server.wait_until(lambda: server.metric("vllm:num_requests_running") >= before + 4, 20, "run")
    server.wait_until(lambda: server.metric("vllm:num_requests_running") <= before, 60, "ended")
    for line in lines:
        line.close()
    watch.check("four readers that do not read")


def main():
    flags = ("--max-model-len", 4096, "--body-timeout", "2s", "--write-timeout", "2s",
             "--max-pending-bytes", "64KiB")
    with Server(*flags) as server, Watch(server) as watch:
        check_wrong(server)
        watch.check(f"{len(WRONG) + len(KEPT)} broken requests")
        check_continue(server)
        check_long_bodies(server, watch)
        check_endless_framing(server, watch)
        check_pipelines(server, watch)
        check_labels(server, watch)
        check_slow_bodies(server, watch)
        check_deaf_readers(server, watch)


if __name__ == "__main__":
    main()
