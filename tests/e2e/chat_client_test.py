"""`troupe chat` on a terminal and line by line, against a small server of OpenAI's shapes."""
import contextlib
import http.server
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time

from troupe_server import BINARY, PATIENCE

ANSWERS = {
    "hi": ["Hel", "lo \x1b[31mthere", " \u20ac\u9b5a"],
    "long": [f"word{i} " for i in range(100_000)],
}


class Mock(http.server.BaseHTTPRequestHandler):
    """Answers from ANSWERS by the last message; remembers the bodies that it was sent."""
    protocol_version = "HTTP/1.1"
    bodies, headers_seen, hung_up = [], [], threading.Event()

    def log_message(self, *_):
        pass

    def send_json(self, status, value):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        assert self.path == "/v1/models", self.path
        self.send_json(200, {"object": "list", "data": [{"id": "mock-model", "object": "model"}]})

    def do_POST(self):
        assert self.path == "/v1/chat/completions", self.path
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Mock.bodies.append(body)
        Mock.headers_seen.append(dict(self.headers))
        question = body["messages"][-1]["content"]
        if question == "busy":
            return self.send_json(429, {"error": {"message": "The queue is full.\x1b[2J\nGo away",
                                                  "type": "rate_limit_error"}})
        pieces = ANSWERS.get(question, ["You said: ", question])
        if not body["stream"]:
            return self.send_json(200, {
                "choices": [{"message": {"role": "assistant", "content": "".join(pieces)},
                             "finish_reason": "stop"}], "usage": {"completion_tokens": 7}})
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            self.stream(pieces, question)
        except OSError:
            Mock.hung_up.set()

    def stream(self, pieces, question):
        self.event({"choices": [{"delta": {"role": "assistant", "content": ""}}]})
        for piece in pieces:
            self.event({"choices": [{"delta": {"content": piece}, "finish_reason": None}]})
        if question == "broken":
            return self.event({"error": {"message": "the device failed"}})
        if question == "cut":
            return None
        self.event({"choices": [{"delta": {}, "finish_reason": "stop"}]})
        self.event({"choices": [], "usage": {"completion_tokens": len(pieces)}})
        return self.wfile.write(b"data: [DONE]\n\n")

    def event(self, value):
        self.wfile.write(b"data: " + json.dumps(value).encode() + b"\n\n")


@contextlib.contextmanager
def serving(context=None, address="127.0.0.1"):
    server = http.server.ThreadingHTTPServer((address, 0), Mock)
    server.daemon_threads = True
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"{'https' if context else 'http'}://{address}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def pipe(url, text, *flags, env=None):
    clean = {k: v for k, v in os.environ.items() if not k.endswith("_API_KEY")}
    return subprocess.run([BINARY, "chat", url, *flags], input=text, capture_output=True, text=True,
                          timeout=60 * PATIENCE, env={**clean, **(env or {})})


class Terminal:
    """The client on a terminal of its own."""

    def __init__(self, *words):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm", LC_ALL="C.UTF-8")
            os.execv(BINARY, [BINARY, "chat", *words])
        self.text = ""

    def until(self, mark):
        """Everything up to the mark, which is a pattern."""
        deadline = time.monotonic() + 30 * PATIENCE
        while not (found := re.search(mark, self.text)):
            left = deadline - time.monotonic()
            assert left > 0, f"no {mark!r} in {self.text[-2000:]!r}"
            if select.select([self.fd], [], [], left)[0]:
                try:
                    self.text += os.read(self.fd, 65536).decode(errors="replace")
                except OSError as error:  # the client has gone
                    raise AssertionError(f"no {mark!r} in {self.text[-2000:]!r}") from error
        seen, self.text = self.text[:found.end()], self.text[found.end():]
        return seen

    def type(self, text):
        os.write(self.fd, text.encode())

    def exit_status(self):
        deadline = time.monotonic() + 30 * PATIENCE
        with contextlib.suppress(OSError):
            while time.monotonic() < deadline and os.read(self.fd, 65536):
                pass
        status = os.waitpid(self.pid, 0)[1]
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


def check_pipe(url):
    done = pipe(url, "hi\n")
    assert (done.returncode, done.stderr) == (0, ""), done
    assert done.stdout == "Hello [31mthere \u20ac\u9b5a\n", done.stdout
    sent = Mock.bodies[-1]
    assert sent == {"model": "mock-model", "messages": [{"role": "user", "content": "hi"}],
                    "stream": True, "stream_options": {"include_usage": True}}, sent
    assert "Authorization" not in Mock.headers_seen[-1]

    done = pipe(url + "/v1/", "one\n\n//two", "--model", "m", "--system", "Be brief.",
                "--no-stream", "--temperature", "0.5", "--max-tokens", "9", "--seed", "3",
                "--api-key", "k1", env={"TROUPE_API_KEY": "k2"})
    assert done.stdout == "You said: one\nYou said: /two\n", done
    sent = Mock.bodies[-1]
    assert [m["content"] for m in sent["messages"]] == \
        ["Be brief.", "one", "You said: one", "/two"], sent
    assert (sent["model"], sent["temperature"], sent["max_tokens"], sent["seed"], sent["stream"]) \
        == ("m", 0.5, 9, 3, False), sent
    assert Mock.headers_seen[-1]["Authorization"] == "Bearer k1"
    pipe(url, "hi", env={"OPENAI_API_KEY": "k3"})
    assert Mock.headers_seen[-1]["Authorization"] == "Bearer k3"


def check_errors(url):
    done = pipe(url, "busy\nhi\n")
    assert (done.returncode, done.stdout) == (1, ""), done
    assert done.stderr == "error: 429: The queue is full.[2J Go away\n", done.stderr
    done = pipe(url, "broken\n")
    assert done.returncode == 1 and done.stdout.startswith("You said: broken"), done
    assert done.stderr == "error: the device failed\n", done.stderr
    done = pipe(url, "cut\n")
    assert done.returncode == 1 and "before it was whole" in done.stderr, done
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent_url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        done = pipe(silent_url, "hi\n", "--model", "m", "--idle-timeout", "50ms")
        assert done.returncode == 1 and "it took too long" in done.stderr, done
    with serving() as gone:
        pass
    done = pipe(gone, "hi\n")
    assert done.returncode == 1 and "Connection refused" in done.stderr, done
    assert pipe("127.0.0.1:8080", "hi\n").returncode == 2
    assert pipe(url, "hi\n", "--temperature", "nan").returncode == 2
    done = pipe(url, "/halp\n")
    assert done.returncode == 1 and "did you mean /help?" in done.stderr, done


def check_files(url, folder):
    path = f"{folder}/talk.json"
    done = pipe(url, f"/system Be kind.\nhi\n/save {path}\n/clear\n/load {path}\nmore\n")
    assert done.returncode == 0, done
    sent = Mock.bodies[-1]["messages"]
    assert [m["role"] for m in sent] == ["system", "user", "assistant", "user"], sent
    assert sent[0]["content"] == "Be kind." and "\x1b" in sent[2]["content"], sent
    pathlib.Path(path).write_text('{"messages": [{"role": "user"}]}')
    done = pipe(url, f"/load {path}\n")
    assert done.returncode == 1 and '"content"' in done.stderr, done


def check_terminal(url):
    client = Terminal(url)
    client.until("> ")
    client.type("hi\n")
    seen = client.until("tokens/s|3 tokens")
    assert "Hello [31mthere \u20ac\u9b5a" in seen, seen
    client.until("> ")
    client.type("long\n")
    client.until("word5 ")
    os.kill(client.pid, signal.SIGINT)
    client.until("cancelled")
    client.until("> ")
    assert Mock.hung_up.wait(30 * PATIENCE), "the connection stayed open"
    client.type("again\n")
    client.until("You said: again")
    client.until("> ")
    sent = Mock.bodies[-1]["messages"]
    assert [m["role"] for m in sent] == ["user", "assistant"] * 2 + ["user"], len(sent)
    assert sent[3]["content"].startswith("word0 word1 "), sent[3]["content"][:100]
    # The key itself, while an answer runs and while a line is edited.
    client.type("long\n")
    client.until("word5 ")
    client.type("\x03")
    client.until("cancelled")
    client.until("> ")
    client.type("half a line\x03")
    client.until("\n.*> ")
    client.type("\x1b[A\x1b[A\n")  # history: the line before the last
    client.until("You said: again")
    client.until("> ")
    client.type("/stats\n")
    client.until("5 answers")
    client.until("> ")
    client.type("\x03")
    assert client.exit_status() == 0

    client = Terminal(url)
    client.until("> ")
    client.type("\x04")
    assert client.exit_status() == 0


def check_tls(folder):
    names = {"key": f"{folder}/key.pem", "cert": f"{folder}/cert.pem"}
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", names["key"], "-out",
                    names["cert"], "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(names["cert"], names["key"])
    with serving(context) as url:
        done = pipe(url, "hi\n")
        assert done.returncode == 1 and "certificate is not trusted" in done.stderr, done
        assert pipe(url, "hi\n", "--ca", names["cert"]).stdout.startswith("Hello")
        assert pipe(url, "hi\n", "--insecure").stdout.startswith("Hello")
        done = pipe(url, "hi\n", "--ca", f"{folder}/none.pem")
        assert done.returncode == 1 and "none.pem" in done.stderr, done
    # The certificate is not this address's.
    with serving(context, "127.0.0.2") as url:
        other = pipe(url, "hi\n", "--ca", names["cert"])
        assert other.returncode == 1 and "certificate is not trusted" in other.stderr, other


def main():
    with tempfile.TemporaryDirectory() as folder, serving() as url:
        check_pipe(url)
        check_errors(url)
        check_files(url, folder)
        check_terminal(url)
        if shutil.which("openssl"):
            check_tls(folder)
        else:
            print("no openssl: TLS was not tried")


if __name__ == "__main__":
    main()
