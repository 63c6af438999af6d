"""What nobody may reach or read: routes without a key, ports, logs, core files, the pages' policy
(docs/attacks.md, 47 to 52)."""
import contextlib
import http.client
import json
import pathlib
import re
import resource
import signal
import socket
import tempfile
import time

from attack_watch import NORMAL, PATIENCE, Server, Watch, exchange, statuses

KEY = "sk-4f1e"
MARK = "Wolpertinger"  # in every prompt; in no line of a log
FREE = {"/health", "/ready"}


class KeyedServer(Server):
    def is_up(self):
        return self.get("/ready")[0] == 200

    def metric(self, name):
        raise AssertionError("/metrics needs a key")

    def ask(self, method, path, body=None, **headers):
        connection = self.connect()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, dict(answer.getheaders()), text


def documented_routes(server):
    """Every method and path of openapi.json, and what people try elsewhere."""
    status, _, text = server.ask("GET", "/openapi.json")
    assert status == 200, text
    for path, methods in json.loads(text)["paths"].items():
        for method in methods:
            if method in ("get", "post", "delete", "put"):
                yield method.upper(), re.sub(r"\{.*?\}", "x", path)
    for path in ("/admin", "/drain", "/scale", "/pause", "/invocations", "/update_weights",
                 "/collective_rpc", "/shutdown", "/flush_cache", "/debug/pprof", "/.git/config"):
        yield "GET", path
        yield "POST", path


def check_routes(server):
    num_closed = 0
    for method, path in documented_routes(server):
        body = b"{}" if method == "POST" else None
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"x_api_key": KEY[:-1]},
                        {"Authorization": "Bearer " + KEY + "x"}, {"Authorization": "Basic eDp5"}):
            status, answer, _ = server.ask(method, path, body, **headers)
            is_page = answer.get("Content-Security-Policy") is not None
            if method == "GET" and (path in FREE or is_page):
                assert status == 200, (path, status)
                continue
            assert status == 401, (method, path, status)
            num_closed += 1
        status, _, text = server.ask(method, path, body, x_api_key=KEY)
        assert status != 401, (method, path, text)
        assert status not in (500, 501), (method, path, text)
    assert num_closed > 100, num_closed
    # Nobody drains or ends a server over HTTP.
    for path in ("/admin", "/drain", "/scale", "/shutdown", "/flush_cache"):
        assert server.ask("POST", path, b"{}", x_api_key=KEY)[0] == 404
    assert server.ask("GET", "/ready")[0] == 200
    return num_closed


def check_pages(server):
    status, headers, text = server.ask("GET", "/")
    assert status == 200 and b"<script>" not in text and b" onclick" not in text
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy or "default-src 'none'" in policy, policy
    assert "unsafe" not in policy and "*" not in policy, policy
    assert headers["X-Content-Type-Options"] == "nosniff", headers


def check_policy(root):
    """The pages make nodes of text, never HTML of it."""
    for file in (root / "web").rglob("*.js"):
        code = file.read_text()
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(",
                     "new Function"):
            assert word not in code, f"{file}: {word}"


def listening(pid):
    """Addresses and ports on which a process listens."""
    sockets = set()
    for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found = re.fullmatch(r"socket:\[(\d+)\]", str(fd.readlink()))
            if found:
                sockets.add(found[1])
    out = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in pathlib.Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == "0A" and words[9] in sockets:
                    out.add(tuple(words[1].split(":")))
    return out


def descendants(pid):
    """The process and all that it and they started, by whichever thread."""
    children = [int(child) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
                for child in (task / "children").read_text().split()]
    return [pid] + [x for child in sorted(children) for x in descendants(child)]


def check_ports():
    """Nothing listens but on the loopback interface, replicas' links included."""
    with Server("--replicas", 1, "--max-model-len", 256) as server:
        assert server.post(NORMAL)[0] == 200
        pids = descendants(server.process.pid)
        assert len(pids) > 1, pids
        places = set().union(*map(listening, pids))
        assert len(places) >= 2, places
        assert all(address in ("0100007F", "0" * 24 + "01000000") for address, _ in places), places
        check_strangers(server, [int(port, 16) for _, port in places])
        assert server.post(NORMAL)[0] == 200
        assert descendants(server.process.pid) == pids, "a replica was lost"


def check_strangers(server, ports):
    """Whoever speaks no word of it to the port of the replicas breaks nothing."""
    noise = [b"GET / HTTP/1.1\r\n\r\n", b"\0" * 4000, b"\xff" * 4000, bytes(range(256)) * 300]
    for port in ports:
        if port == server.port:
            continue
        for data in noise:
            with socket.create_connection(("127.0.0.1", port), timeout=5 * PATIENCE) as line:
                with contextlib.suppress(OSError):
                    line.sendall(data)
                    line.settimeout(0.2)
                    line.recv(100)


def allow_core_files():
    """Somebody's shell may: then it is the server that forbids them."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    if hard == 0:
        print("core files are forbidden here whatever the server does")


def check_core_files(server):
    limits = pathlib.Path(f"/proc/{server.process.pid}/limits").read_text()
    assert re.search(r"^Max core file size +0 ", limits, re.M), limits


def misbehave(server):
    """Everything that is logged, with a mark in it."""
    body = {**NORMAL, "prompt": MARK}
    auth = {"x_api_key": KEY}
    assert server.ask("POST", "/generate", json.dumps(body), **auth)[0] == 200
    for wrong in ({**body, "temperature": MARK}, {**body, MARK: 1}, {**body, "model": MARK},
                  {**body, "json_schema": {"type": MARK}}, {**body, "regex": MARK + "("},
                  {**body, "grammar": f'root ::= "{MARK}" {MARK}'}, {**body, "prompt": [MARK, 5]},
                  {**body, "prompt": MARK * 5000}):
        status, _, text = server.ask("POST", "/generate", json.dumps(wrong), **auth)
        assert status in (400, 404), text
    server.ask("POST", "/generate", MARK, **auth)
    server.ask("GET", "/" + MARK, **auth)
    server.ask("POST", "/generate", json.dumps(body), x_api_key=MARK)
    server.ask("POST", "/generate", json.dumps(body), Content_Type=MARK, **auth)
    for header in ("X-Request-Id", "User-Agent", "X-Forwarded-For", "Origin", "Referer", "Cookie"):
        said = exchange(server, b"GET /version HTTP/1.1\r\nHost: h\r\nx-api-key: " + KEY.encode() +
                        b"\r\n" + f"{header}: {MARK}\x1b[31m\x07 \x9b".encode("latin-1") +
                        b"\r\n\r\n")
        assert statuses(said) in ([200], [400]), said
    exchange(server, f"GET /{MARK}\n HTTP/1.1\r\n\r\n".encode())
    line = server.connect()  # leaves in the middle of its answer
    line.request("POST", "/generate", json.dumps({**body, "max_tokens": 3000, "stream": True}),
                 {"Content-Type": "application/json", "x-api-key": KEY})
    with contextlib.suppress(http.client.HTTPException, OSError):
        line.getresponse().read(10)
    line.close()


def check_logs():
    """No line of a log has what people asked, or commands the terminal it is shown on."""
    with tempfile.TemporaryDirectory() as folder:
        lines = pathlib.Path(folder, "access.log")
        flags = ("--api-key", KEY, "--access-log", lines, "--max-model-len", 4096)
        with KeyedServer(*flags) as server:
            misbehave(server)
            time.sleep(0.2)
            server.process.send_signal(signal.SIGTERM)
            server.process.wait(40 * PATIENCE)
            server.reader.join()
            text = "".join(server.log)
            # A header is no prompt: the access log may show it, with its escapes.
            for name, what in (("log", text), ("access log", lines.read_text())):
                assert not re.search(r"[^\n\t\x20-\x7e\u00a0-\uffff]", what), f"the {name} commands"
                assert KEY not in what, f"the {name} has a key"
            assert MARK not in text, [x for x in server.log if MARK in x][:3]
            seen = [line for line in lines.read_text().splitlines() if MARK in line]
            assert all(MARK not in json.dumps({**json.loads(x), "user_agent": ""}) for x in seen), \
                seen


def check_disk(server):
    """Grammars are kept in memory: nothing is open for writing but what was given."""
    writable = set()
    for fd in pathlib.Path(f"/proc/{server.process.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            target = str(fd.readlink())
            flags = pathlib.Path(f"/proc/{server.process.pid}/fdinfo/{fd.name}").read_text()
            mode = int(re.search(r"flags:\s+(\d+)", flags)[1], 8) & 3
            if mode and target.startswith("/") and not target.startswith("/dev/"):
                writable.add(target)
    assert not writable, writable


def main():
    allow_core_files()
    check_policy(pathlib.Path(__file__).resolve().parents[2])
    with KeyedServer("--api-key", KEY, "--max-model-len", 4096) as server:
        with Watch(server, KEY) as watch:
            num = check_routes(server)
            watch.check(f"{num} requests without the key")
            check_pages(server)
            check_core_files(server)
            for i in range(50):
                status, _, text = server.ask("POST", "/generate", json.dumps(
                    {**NORMAL, "regex": f"a{{{i}}}b"}), x_api_key=KEY)
                assert status == 200, text
            check_disk(server)
            watch.check("50 grammars")
    check_ports()
    check_logs()
    print("keys, ports, logs, core files and pages hold")


if __name__ == "__main__":
    main()
