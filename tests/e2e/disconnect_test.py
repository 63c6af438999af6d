"""A client that vanishes gives its pages back within one step, streaming or not."""
import json
import socket
import time

from troupe_server import Server

BODY = {"prompt": "Tell me a very long story.", "max_tokens": 3000, "ignore_eos": True}


def send_request(server, body):
    data = json.dumps(body).encode()
    client = socket.create_connection(("127.0.0.1", server.port))
    client.sendall(b"POST /generate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                   b"Content-Length: %d\r\n\r\n" % len(data) + data)
    return client


def check(server, stream, how):
    client = send_request(server, {**BODY, "stream": stream})
    server.wait_until(lambda: server.metric("vllm:num_requests_running") == 1, 10, "running")
    if stream:
        assert client.recv(100)
    if how == "reset":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    if how == "half-close":
        client.shutdown(socket.SHUT_WR)
    else:
        client.close()
    start = time.monotonic()
    server.wait_until(lambda: server.metric("troupe_kv_pages_used") == 0, 2, "pages free")
    spent = time.monotonic() - start
    print(f"stream={stream} {how}: pages free after {spent * 1e3:.1f} ms")
    client.close()
    return spent


def main():
    with Server("--max-model-len", 4096) as server:
        steps = server.metric("troupe_steps_total")
        for stream in (True, False):
            for how in ("close", "reset", "half-close"):
                check(server, stream, how)
        assert server.metric("troupe_steps_total") > steps
        ended = server.metric('vllm:request_success_total')
        assert ended == 6, ended
        status, answer = server.post({"prompt": "Hello", "max_tokens": 4})
        assert status == 200, answer


if __name__ == "__main__":
    main()
