"""Behind the real nginx as a reverse proxy: answers, events as they come, WebSockets, and a client
that leaves."""
import asyncio
import json
import socket
import sys
import time

import websockets

from nginx import NGINX, Nginx
from troupe_server import Server

UPGRADE = "map $http_upgrade $connection_upgrade { default upgrade; '' ''; }"
PROXY = """location / {{
      proxy_pass http://127.0.0.1:{port};
      proxy_http_version 1.1;
      proxy_set_header Host $host:$server_port;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      client_max_body_size 8m;
    }}"""
BODY = {"prompt": "Tell me a story.", "max_tokens": 60, "seed": 5, "ignore_eos": True}


def send(port, body):
    client = socket.create_connection(("127.0.0.1", port), timeout=60)
    data = json.dumps(body).encode()
    client.sendall(b"POST /generate HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
                   b"Content-Length: %d\r\n\r\n" % len(data) + data)
    return client


def receive_until(client, end):
    text = b""
    while end not in text:
        more = client.recv(65536)
        assert more, f"closed after {len(text)} bytes"
        text += more
    return text


def check_stream(nginx, whole):
    client = send(nginx.port, {**BODY, "stream": True})
    # nginx buffers unless the answer tells it not to: then the first event comes alone.
    first = receive_until(client, b"data: ")
    assert b"[DONE]" not in first, first[-300:]
    rest = receive_until(client, b"[DONE]")
    events = [json.loads(line[6:]) for line in (first + rest).decode().split("\n")
              if line.startswith("data: {")]
    assert "".join(event["text"] for event in events) == whole["text"]
    client.close()


def check_disconnect(nginx, server):
    client = send(nginx.port, {**BODY, "max_tokens": 3000, "stream": True})
    receive_until(client, b"data: ")
    client.close()
    server.wait_until(lambda: server.metric("troupe_kv_pages_used") == 0, 5, "pages free")


async def check_websocket(nginx, whole):
    async with websockets.connect(f"ws://127.0.0.1:{nginx.port}/ws") as line:
        for name in "ab":
            await line.send(json.dumps({"type": "generate", "id": name, "path": "/generate",
                                        "body": BODY}))
        texts, num_open = {"a": "", "b": ""}, 2
        while num_open:
            frame = json.loads(await asyncio.wait_for(line.recv(), 60))
            assert frame["type"] in ("accepted", "tokens", "finished"), frame
            if frame["type"] == "tokens":
                texts[frame["id"]] += frame["data"]["text"]
            num_open -= frame["type"] == "finished"
    assert texts == {"a": whole["text"], "b": whole["text"]}


def main():
    if not NGINX:
        print("skipped: nginx is not installed (package nginx-light)")
        sys.exit(77)
    with Server("--trusted-proxies", "127.0.0.1") as server, \
            Nginx(UPGRADE, PROXY.format(port=server.port)) as nginx:
        whole = server.post(BODY)[1]
        start = time.monotonic()
        answer = receive_until(send(nginx.port, BODY), b"}}")
        assert json.loads(answer.split(b"\r\n\r\n")[1])["text"] == whole["text"]
        check_stream(nginx, whole)
        asyncio.run(check_websocket(nginx, whole))
        check_disconnect(nginx, server)
    print(f"answers, events and a WebSocket through nginx in {time.monotonic() - start:.1f} s")


if __name__ == "__main__":
    main()
