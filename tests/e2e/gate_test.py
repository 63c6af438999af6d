"""Keys from a file, budgets, origins, proxies, connections, the access log, as flags set them."""
import json
import os
import pathlib
import socket
import subprocess
import tempfile

from troupe_server import BINARY, DEMO, PATIENCE, Server

KEYS = """# who may ask
alice sk-alice
bob   sk-bob   tokens=60/min
carol sk-carol rate=1r/m burst=1
"""


def ask(server, method="POST", path="/generate", body=None, **headers):
    connection = server.connect()
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if body:
        headers["Content-Type"] = "application/json"
    connection.request(method, path, json.dumps(body) if body else None, headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, dict(answer.getheaders()), text


JOB = {"prompt": "Hello", "max_tokens": 4, "ignore_eos": True}


class KeyedServer(Server):
    """Its /metrics are open, so that the test can wait on them."""

    def __init__(self, folder, *flags):
        keys = pathlib.Path(folder, "keys.txt")
        keys.write_text(KEYS)
        os.chmod(keys, 0o600)
        self.lines = pathlib.Path(folder, "access.log")
        super().__init__("--api-key-file", keys, "--metrics-without-key", "--max-model-len", 256,
                         "--access-log", self.lines, *flags)

    def records(self):
        return [json.loads(line) for line in self.lines.read_text().splitlines()]


def check_keys(server):
    status, headers, text = ask(server, body=JOB)
    assert status == 401 and headers["WWW-Authenticate"].startswith("Bearer"), (status, headers)
    assert "invalid_api_key" in text, text
    assert ask(server, "GET", "/version")[0] == 401
    assert ask(server, "GET", "/version", x_api_key="sk-alice")[0] == 200
    assert ask(server, "GET", "/")[0] == 200
    assert ask(server, body=JOB, Authorization="Bearer sk-alice")[0] == 200
    assert ask(server, body=JOB, x_api_key="sk-alic")[0] == 401


def check_rate(server):
    for expected in (200, 200, 429):
        status, headers, text = ask(server, body=JOB, x_api_key="sk-carol")
        assert status == expected, (status, text)
    assert 1 <= int(headers["Retry-After"]) <= 63, headers
    assert ask(server, body=JOB, x_api_key="sk-alice")[0] == 200


def check_budget(server):
    status, _, text = ask(server, body={**JOB, "max_tokens": 60}, x_api_key="sk-bob")
    assert status == 400 and "60 in a minute" in text, text
    big = {**JOB, "max_tokens": 50}
    assert ask(server, body=big, x_api_key="sk-bob")[0] == 200
    status, headers, text = ask(server, body=big, x_api_key="sk-bob")
    assert status == 429 and "token_budget_exceeded" in text, text
    assert int(headers["Retry-After"]) >= 1
    assert ask(server, body={**big}, x_api_key="sk-alice")[0] == 200


def check_prefixes(server):
    """What one key's requests have computed is not there for another's."""
    prompt = "A long and secret beginning that only its owner may profit from. " * 3
    job = {"prompt": prompt, "max_tokens": 4}

    def hits(key):
        status, _, text = ask(server, body=job, x_api_key=key)
        assert status == 200, text
        return json.loads(text)["usage"]["cached_tokens"]

    assert hits("sk-alice") == 0
    assert hits("sk-alice") > 0
    assert hits("sk-carol2") == 0


def check_origins(server):
    question = {"Origin": "https://chat.example", "Access_Control_Request_Method": "POST",
                "Access_Control_Request_Headers": "authorization"}
    status, headers, _ = ask(server, "OPTIONS", **question)
    assert status == 204 and headers["Access-Control-Allow-Methods"] == "POST", headers
    assert headers["Access-Control-Allow-Headers"] == "authorization", headers
    status, headers, _ = ask(server, body=JOB, x_api_key="sk-alice", Origin="https://chat.example")
    assert status == 200 and headers["Access-Control-Allow-Origin"] == "https://chat.example"
    status, headers, _ = ask(server, body=JOB, x_api_key="sk-alice", Origin="https://evil.example")
    assert "Access-Control-Allow-Origin" not in headers and headers["Vary"] == "Origin", headers


def check_connections(server):
    crowd, refused = [], b""
    for _ in range(40):
        client = socket.create_connection(("127.0.0.1", server.port), timeout=20 * PATIENCE)
        crowd.append(client)
        client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            refused = client.recv(4096)
        except ConnectionResetError:
            refused = b""
        if not refused.startswith(b"HTTP/1.1 200 "):
            break
    assert len(crowd) == 21, len(crowd)
    for client in crowd:
        client.close()
    server.wait_until(lambda: can_ask(server), 10, "a place after the others left")


def can_ask(server):
    try:
        return server.get("/health")[0] == 200
    except OSError:
        return False


def check_log(server):
    evil = "evil\x1b[31m"
    status, _, _ = ask(server, body=JOB, x_api_key="sk-alice", User_Agent=evil,
                       X_Request_Id="mine-1", X_Forwarded_For="6.6.6.6, 192.0.2.9")
    assert status in (200, 400), status
    server.wait_until(lambda: len(server.records()) > 20, 10, "lines")
    text = server.lines.read_text()
    assert "sk-" not in text and "secret beginning" not in text and "\x1b" not in text
    first = next(r for r in server.records() if r["status"] == 200 and r["route"] == "/generate")
    assert first["key"] == "alice" and first["completion_tokens"] == 4, first
    assert first["client"] == "127.0.0.1" and first["bytes_in"] > 0 < first["bytes_out"], first


def check_proxies():
    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder, "access.log")
        with Server("--trusted-proxies", "127.0.0.0/8,10.0.0.0/8", "--access-log", log,
                    "--log-prompts", "--rate-limit", "1r/m", "--max-model-len", 256) as server:
            for way, expected in (("192.0.2.1", 200), ("6.6.6.6, 192.0.2.1", 429),
                                  ("192.0.2.2, 10.0.0.1", 200), ("2001:db8::1", 200),
                                  ("2001:db8::2", 429)):
                status = ask(server, body=JOB, X_Forwarded_For=way, X_Forwarded_Proto="https")[0]
                assert status == expected, way

            def posts():
                lines = map(json.loads, log.read_text().splitlines())
                return [line for line in lines if line.get("method") == "POST"]

            server.wait_until(lambda: len(posts()) == 5, 10, "five lines")
            assert [line["client"] for line in posts()] == \
                ["192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"]
            assert json.loads(posts()[0]["body"]) == JOB and posts()[0]["scheme"] == "https"


def check_complaints():
    """What is wrong with the file is said with its line, and no key."""
    with tempfile.TemporaryDirectory() as folder:
        keys = pathlib.Path(folder, "keys.txt")
        for text, expected in (("a hidden\nb hidden2 rate=x", "line 2: expected rate=2r/s"),
                               ("", "holds no key"), ("a hidden\na other", "two API keys")):
            keys.write_text(text)
            run = subprocess.run([BINARY, "serve", str(DEMO), "--api-key-file", str(keys)],
                                 capture_output=True, text=True, timeout=60 * PATIENCE)
            assert run.returncode == 1 and expected in run.stderr, run
            assert "hidden" not in run.stderr, run.stderr


def main():
    check_complaints()
    with tempfile.TemporaryDirectory() as folder:
        with KeyedServer(folder, "--allowed-origins", "https://chat.example", "--api-key",
                         "sk-carol2", "--max-connections-per-ip", 20,
                         "--rate-nodelay") as server:
            check_keys(server)
            check_rate(server)
            check_budget(server)
            check_prefixes(server)
            check_origins(server)
            check_connections(server)
            check_log(server)
    check_proxies()
    print("keys, rates, budgets, prefixes, origins, connections, proxies and the log hold")


if __name__ == "__main__":
    main()
