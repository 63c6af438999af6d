"""TLS at the front: answers, streams, a client that leaves, clients that cannot shake hands."""
import http.client
import json
import pathlib
import socket
import ssl
import subprocess
import tempfile
import time

from troupe_server import BINARY, DEMO, Server

LONG = {"prompt": "Tell me a very long story.", "max_tokens": 3000, "ignore_eos": True,
        "stream": True}


def make_certificate(folder):
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-nodes", "-days", "2", "-newkey", "ec",
                    "-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    return cert, key


class TlsServer(Server):
    def __init__(self, cert, key, *flags):
        super().__init__("--tls-cert", cert, "--tls-key", key, *flags)
        self.tls = ssl.create_default_context(cafile=str(cert))

    def connect(self, timeout=120):
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout,
                                           context=self.tls)

    def open(self):
        return self.tls.wrap_socket(socket.create_connection(("127.0.0.1", self.port)),
                                    server_hostname="127.0.0.1")


def check_answers(server):
    connection = server.connect()
    for _ in range(3):
        status, answer = server.post({"prompt": "Hello", "max_tokens": 8}, connection)
        assert status == 200 and answer["usage"]["completion_tokens"] <= 8, answer
    status, answer = server.post({"prompt": "Hello", "max_tokens": 8, "stream": True}, connection)
    assert status == 200 and answer.endswith("data: [DONE]\n\n"), answer
    big = {"prompt": "x" * 200_000, "max_tokens": 1}
    assert server.post(big, connection)[0] == 400  # longer than the model's context
    connection.close()


def check_pipelining(server):
    """A request that comes while an answer is streamed is answered after it."""
    client = server.open()
    body = json.dumps({"prompt": "Hello", "max_tokens": 50, "ignore_eos": True, "stream": True})
    client.sendall((f"POST /generate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n{body}").encode())
    seen = client.recv(1000)
    client.sendall(b"GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    while data := client.recv(10_000):
        seen += data
    assert seen.count(b"HTTP/1.1 200 OK") == 2, seen
    assert b"[DONE]" in seen and b'"version"' in seen, seen
    client.close()


def check_disconnect(server, how):
    client = server.open()
    body = json.dumps(LONG).encode()
    client.sendall(b"POST /generate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                   b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert client.recv(100)
    if how == "reset":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    if how == "close_notify":
        client.settimeout(0.2)
        try:
            client.unwrap()  # says farewell and keeps the socket
        except (OSError, ssl.SSLError):
            pass
    else:
        client.close()
    server.wait_until(lambda: server.metric("troupe_kv_pages_used") == 0, 5, f"pages free: {how}")
    client.close()


def ends(client, within=10):
    """True if the server closes its side."""
    client.settimeout(within)
    try:
        while client.recv(1000):
            pass
    except (ConnectionResetError, ssl.SSLError):
        pass
    return True


def check_bad_handshakes(server):
    for opening in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\0" * 100,
                    b"\0" * 1000):
        client = socket.create_connection(("127.0.0.1", server.port))
        client.sendall(opening)
        assert ends(client)
        client.close()
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    try:
        old.wrap_socket(socket.create_connection(("127.0.0.1", server.port)))
    except (ssl.SSLError, ConnectionResetError):
        pass
    else:
        raise AssertionError("TLS 1.1 was spoken")


def check_slow_handshake(server):
    client = socket.create_connection(("127.0.0.1", server.port))
    client.sendall(b"\x16\x03\x01")
    start = time.monotonic()
    assert ends(client, 30)
    assert time.monotonic() - start > 0.5  # the deadline, not the bytes
    client.close()


def check_start_errors(cert, key):
    folder = cert.parent
    junk = folder / "junk.pem"
    junk.write_text("no certificate")
    other_cert, other_key = make_certificate(pathlib.Path(tempfile.mkdtemp(dir=folder)))
    for wrong, named in (((folder / "none.pem", key), "none.pem"), ((junk, key), "junk.pem"),
                         ((cert, junk), "junk.pem"), ((cert, other_key), str(other_key))):
        run = subprocess.run([BINARY, "serve", str(DEMO), "--port", "0", "--tls-cert", wrong[0],
                              "--tls-key", wrong[1]], capture_output=True, text=True, timeout=60)
        assert run.returncode == 1 and named in run.stderr, (run.returncode, run.stderr)
    run = subprocess.run([BINARY, "serve", str(DEMO), "--tls-cert", str(cert)],
                         capture_output=True, text=True, timeout=60)
    assert run.returncode == 2 and "--tls-key" in run.stderr + run.stdout, run


def main():
    with tempfile.TemporaryDirectory() as name:
        cert, key = make_certificate(pathlib.Path(name))
        check_start_errors(cert, key)
        with TlsServer(cert, key, "--max-model-len", 4096, "--header-timeout", "1s") as server:
            check_answers(server)
            check_pipelining(server)
            for how in ("close", "reset", "close_notify"):
                check_disconnect(server, how)
            check_bad_handshakes(server)
            check_slow_handshake(server)
            check_answers(server)
    print("TLS: answers, streams, three ways to leave, bad and slow handshakes")


if __name__ == "__main__":
    main()
