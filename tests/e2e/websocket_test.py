"""Many generations on one WebSocket: the same answers as over HTTP, cancelled, cut, and drained."""
import asyncio
import json
import pathlib
import signal
import tempfile

import websockets

from raw_websocket import RawSocket
from tls_test import TlsServer, make_certificate
from troupe_server import Server


def generate(name, body, **more):
    return {"type": "generate", "id": name, "path": "/generate", "body": body, **more}


def long_body(num_tokens=3000):
    return {"prompt": "Tell me a very long story.", "max_tokens": num_tokens, "seed": 7,
            "ignore_eos": True}


def text_of(answer):
    return answer["text"] if "text" in answer else answer["choices"][0]["text"]


def connect(server, tls=None, **options):
    scheme = "wss" if tls else "ws"
    return websockets.connect(f"{scheme}://127.0.0.1:{server.port}/ws", max_size=None, ssl=tls,
                              **options)


async def collect(socket, names):
    """Every frame of each generation until all of them have ended."""
    frames = {name: [] for name in names}
    waiting = set(names)
    while waiting:
        frame = json.loads(await asyncio.wait_for(socket.recv(), 120))
        frames[frame["id"]].append(frame)
        if frame["type"] in ("finished", "error"):
            assert frame["id"] in waiting, frame
            waiting.remove(frame["id"])
    return frames


def joined(frames):
    return "".join(text_of(f["data"]) for f in frames if f["type"] == "tokens")


async def check_same_answers(server, tls=None, **options):
    bodies = {f"g{i}": {"prompt": f"Tell me about number {i}.", "max_tokens": 20 + i, "seed": i,
                        "temperature": 0.8, "ignore_eos": True} for i in range(32)}
    wanted = {name: server.post(body)[1] for name, body in bodies.items()}
    async with connect(server, tls, **options) as socket:
        for i, (name, body) in enumerate(bodies.items()):
            credit = {"credit": 1000} if i % 2 else {}
            await socket.send(json.dumps(generate(name, body, **credit)))
        frames = await collect(socket, bodies)
    for name, body in bodies.items():
        kinds = [f["type"] for f in frames[name]]
        assert kinds[0] == "accepted" and kinds[-1] == "finished", kinds
        assert set(kinds[1:-1]) == {"tokens"}, kinds
        assert joined(frames[name]) == text_of(wanted[name]), name
        last = frames[name][-1]
        assert last["finish_reason"] == "length", last
        assert last["usage"]["completion_tokens"] == body["max_tokens"], last
        assert 0 < last["timings"]["ttft_ms"] <= last["timings"]["total_ms"], last


async def check_cancel(server):
    cancelled = server.metric("vllm:request_success_total")
    async with connect(server) as socket:
        await socket.send(json.dumps(generate("long", long_body())))
        await socket.send(json.dumps(generate("other", long_body(100))))
        frames = []
        while not frames or frames[-1]["type"] != "tokens" or frames[-1]["id"] != "long":
            frames.append(json.loads(await socket.recv()))
        await socket.send(json.dumps({"type": "cancel", "id": "long"}))
        later = []
        while sum(f["type"] == "finished" for f in frames + later) < 2:
            later.append(json.loads(await socket.recv()))
        last = [f for f in later if f["id"] == "long"][-1]
        assert last["type"] == "finished" and last["finish_reason"] == "cancelled", last
        assert 0 < last["usage"]["completion_tokens"] < 3000, last
        server.wait_until(lambda: server.metric("troupe_kv_pages_used") == 0, 5, "pages free")
        await socket.send(json.dumps({"type": "cancel", "id": "long"}))
        late = json.loads(await socket.recv())
        assert late["type"] == "error" and "id" not in late, late
        assert late["error"]["param"] == "id" and late["error"]["status"] == 404, late
    assert server.metric("vllm:request_success_total") == cancelled + 2


async def check_credit(server):
    """Not a frame more than was granted; what waits is joined; a cancel needs no credit."""
    body = long_body(200)
    wanted = text_of(server.post(body)[1])
    async with connect(server) as socket:
        await socket.send(json.dumps(generate("a", body, credit=3)))
        frames = [json.loads(await socket.recv()) for _ in range(4)]
        assert [f["type"] for f in frames] == ["accepted"] + ["tokens"] * 3, frames
        server.wait_until(lambda: server.metric("vllm:num_requests_running") == 0, 60, "idle")
        await socket.send(json.dumps({"type": "ping", "id": 5}))
        assert json.loads(await socket.recv()) == {"type": "pong", "id": 5}
        await socket.send(json.dumps({"type": "credit", "id": "a", "frames": 10}))
        frames += (await collect(socket, ["a"]))["a"]
        assert joined(frames) == wanted
        assert len(frames) <= 4 + 3, f"{len(frames)} frames: not joined"
        await socket.send(json.dumps(generate("b", body, credit=0)))
        assert json.loads(await socket.recv())["type"] == "accepted"
        await socket.send(json.dumps({"type": "cancel", "id": "b"}))
        assert json.loads(await socket.recv())["finish_reason"] == "cancelled"


async def check_refusals(server):
    async with connect(server) as socket:
        async def ask(frame):
            await socket.send(frame if isinstance(frame, str) else json.dumps(frame))
            return json.loads(await socket.recv())

        for junk in ("", "{", "[1]", '"x"', '{"type": "x"}', '{"type": "generate"}'):
            answer = await ask(junk)
            assert answer["type"] == "error" and "id" not in answer, answer
        wrong = await ask(generate("a", {"prompt": "x", "max_tokens": "many"}))
        assert wrong["id"] == "a" and wrong["error"]["status"] == 400, wrong
        assert wrong["error"]["param"] == "max_tokens", wrong
        no_path = await ask({**generate("a", {}), "path": "/nowhere"})
        assert no_path["id"] == "a" and no_path["error"]["status"] == 404, no_path
        assert (await ask(generate("a", long_body(), credit=0)))["type"] == "accepted"
        twice = await ask(generate("a", long_body()))
        assert "id" not in twice and twice["error"]["param"] == "id", twice
        unknown = await ask({"type": "credit", "id": "z", "frames": 1})
        assert "id" not in unknown and unknown["error"]["status"] == 404, unknown
        for name in "bcd":
            assert (await ask(generate(name, long_body(), credit=0)))["type"] == "accepted"
        full = await ask(generate("e", long_body(), credit=0))
        assert full["id"] == "e" and full["error"]["status"] == 429, full
    server.wait_until(lambda: server.metric("troupe_kv_pages_used") == 0, 5, "pages free")


def check_disconnects(server, tls=None):
    for how in ("close", "reset", "farewell"):
        client = RawSocket(server, tls=tls)
        for name in "abc":
            client.send(generate(name, long_body()))
        while client.receive()["type"] != "tokens":
            pass
        if how == "farewell":
            client.socket.sendall(client.frame(8, b"\x03\xe8"))
            assert client.close_code() == 1000
        client.close(reset=how == "reset")
        server.wait_until(lambda: server.metric("troupe_kv_pages_used") == 0, 5, "pages free")


def check_drain():
    with Server("--max-model-len", 2048) as server:
        client = RawSocket(server)
        for name in "abc":
            client.send(generate(name, long_body(300)))
        server.wait_until(lambda: server.metric("vllm:num_requests_running") == 3, 10, "running")
        idle = RawSocket(server)
        server.process.send_signal(signal.SIGTERM)
        assert idle.close_code() == 1001
        ends = []
        while len(ends) < 3:
            frame = client.receive()
            if frame["type"] != "tokens" and frame["type"] != "accepted":
                ends.append((frame["type"], frame["finish_reason"],
                             frame["usage"]["completion_tokens"]))
        assert ends == [("finished", "length", 300)] * 3, ends
        assert client.close_code() == 1001
        client.close()
        idle.close()
    with Server("--max-model-len", 4096, "--drain-timeout", "100ms") as server:
        client = RawSocket(server)
        client.send(generate("a", long_body(), credit=1))
        while client.receive()["type"] != "tokens":
            pass
        server.process.send_signal(signal.SIGTERM)
        last = client.receive()
        # Without credit the answer may have ended before the server did, but it was not read.
        assert last["type"] == "error" and last["error"]["status"] == 503, last
        assert client.close_code() == 1001
        client.close()


async def check_tls(cert, key):
    with TlsServer(cert, key, "--max-model-len", 4096, "--websocket-compression") as server:
        await check_same_answers(server, server.tls)
        await check_same_answers(server, server.tls, compression=None)
        check_disconnects(server, server.tls)


def main():
    with Server("--max-model-len", 4096, "--max-generations-per-connection", 32) as server:
        asyncio.run(check_same_answers(server))
        asyncio.run(check_cancel(server))
        asyncio.run(check_credit(server))
        check_disconnects(server)
    with Server("--max-model-len", 4096, "--max-generations-per-connection", 4) as server:
        asyncio.run(check_refusals(server))
    check_drain()
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(check_tls(*make_certificate(pathlib.Path(name))))
    print("WebSocket: same answers, cancel, credit, refusals, disconnects, drain, TLS")


if __name__ == "__main__":
    main()
