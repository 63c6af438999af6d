"""WebSocket clients that break the protocol, send too much, or do not read."""
import threading
import time

from raw_websocket import BINARY, PING, RawSocket, TEXT
from troupe_server import Server
from websocket_test import generate, joined, long_body, text_of

STALL_SECONDS = 30
FLAGS = ("--max-model-len", 4096, "--no-enable-prefix-caching", "--num-gpu-blocks-override", 1200,
         "--write-timeout", "300s", "--idle-timeout", "300s", "--max-body-bytes", "100kB")


def check_breaches(server):
    frame = RawSocket.frame
    for what, data, code in (
            ("unmasked", frame(TEXT, b"{}", mask=False), 1002),
            ("reserved bit", frame(TEXT, b"{}", first=0xC0), 1002),
            ("reserved opcode", frame(3, b""), 1002),
            ("fragmented ping", frame(PING, b"x", first=0), 1002),
            ("long ping", frame(PING, b"x" * 126), 1002),
            ("continuation of nothing", frame(0, b"x"), 1002),
            ("binary", frame(BINARY, b"{}"), 1003),
            ("no UTF-8", frame(TEXT, b"\xff\xfe"), 1007),
            ("cut UTF-8", frame(TEXT, b"\xe2\x82"), 1007),
            ("too long", frame(TEXT, b" " * 100_001), 1009),
            ("claims too much", frame(TEXT, b"", length=1 << 40), 1009),
            ("too long in parts", frame(TEXT, b" " * 60_000, first=0) + frame(0, b" " * 60_000),
             1009)):
        client = RawSocket(server)
        assert client.status == 101
        client.send(generate("a", long_body()))
        try:
            client.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        found = client.close_code()
        assert found == code, f"{what}: closed with {found}, expected {code}"
        client.close()
    server.wait_until(lambda: server.metric("troupe_kv_pages_used") == 0, 5, "pages free")
    client = RawSocket(server)
    client.send("\n".join(["{}", " " * 99_000]))  # within the limit
    assert client.receive()["type"] == "error"
    client.close()


def check_upgrades(server):
    strange = RawSocket(server, headers="Origin: http://elsewhere.example\r\n")
    assert strange.status == 403, strange.status
    strange.close()
    ours = RawSocket(server, headers=f"Origin: http://127.0.0.1:{server.port}\r\n")
    assert ours.status == 101 and ours.headers["x-request-id"], ours.headers
    assert "sec-websocket-extensions" not in ours.headers  # compression is off
    ours.close()
    assert server.get("/ws")[0] == 426


def flood(client, data, seconds):
    """Sends without reading; true once the server takes no more."""
    client.socket.settimeout(1)
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            client.socket.sendall(data)
    except TimeoutError:
        return True
    return False


def check_floods(server):
    """Whoever asks without reading is not read from any more."""
    for data in (RawSocket.frame(PING, b"x" * 100) * 100,
                 RawSocket.frame(TEXT, b'{"type": "ping", "id": 1}') * 100):
        warm = server.rss_bytes()
        client = RawSocket(server, receive_buffer=4096)
        assert flood(client, data, 60), "the server reads on and on"
        grown = server.rss_bytes() - warm
        assert grown < 1 << 20, f"{grown} bytes for a flood"
        status, answer = server.post({"prompt": "Hello", "max_tokens": 20, "ignore_eos": True})
        assert status == 200 and answer["usage"]["completion_tokens"] == 20, answer
        client.close()


def run_many(server, num_tokens, seconds):
    """Requests one after another, each with all its tokens; how many."""
    deadline = time.monotonic() + seconds
    count = 0
    while time.monotonic() < deadline:
        status, answer = server.post(long_body(num_tokens))
        assert status == 200 and answer["usage"]["completion_tokens"] == num_tokens, answer
        count += 1
    return count


def read_to_end(client, names):
    frames = {name: [] for name in names}
    waiting = set(names)
    while waiting:
        frame = client.receive()
        frames[frame["id"]].append(frame)
        if frame["type"] != "tokens" and frame["type"] != "accepted":
            waiting.remove(frame["id"])
    return frames


def check_stalled_readers(server):
    """Two clients stop for a while: one does not read, one grants no credit."""
    body = long_body(1500)
    names = "abcd"
    wanted = text_of(server.post(body)[1])

    def start(credit):
        client = RawSocket(server, receive_buffer=4096)
        for name in names:
            client.send(generate(name, body, **credit))
        return client

    # Everything that such a load touches is touched once before it is measured.
    warm = [start({}), start({})]
    threads = [threading.Thread(target=read_to_end, args=(c, names)) for c in warm]
    for thread in threads:
        thread.start()
    run_many(server, 100, 3)
    for thread in threads:
        thread.join()
    for client in warm:
        client.close()

    before = server.rss_bytes()
    deaf, poor = start({}), start({"credit": 5})
    early = [poor.receive() for _ in range(24)]
    count = run_many(server, 100, STALL_SECONDS)
    server.wait_until(lambda: server.metric("vllm:num_requests_running") == 0, 120, "all computed")
    grown = server.rss_bytes() - before
    print(f"{count} requests of others while two clients stalled; RSS grew by {grown} bytes")
    assert grown < 1 << 20, grown
    assert count > 0
    for name in names:
        poor.send({"type": "credit", "id": name, "frames": 10})
    for client, first in ((deaf, []), (poor, early)):
        later = read_to_end(client, names)
        num_frames = sum(f["type"] == "tokens" for name in names for f in later[name])
        print(f"{num_frames} frames after the stall for {4 * 1500} tokens")
        assert num_frames < 5000, "the text that waited was not joined"
        for name in names:
            last = later[name][-1]
            assert last["type"] == "finished" and last["finish_reason"] == "length", last
            assert last["usage"]["completion_tokens"] == 1500, last
            assert joined([f for f in first if f["id"] == name] + later[name]) == wanted, name
        client.close()


def check_silent_client():
    """A client that answers no ping is gone after the idle timeout."""
    with Server("--idle-timeout", "1s") as server:
        client = RawSocket(server)
        assert client.receive_frame()[0] == PING
        while client.receive_frame():
            pass
        client.close()
        client = RawSocket(server)
        for _ in range(4):
            opcode, payload = client.receive_frame()
            assert opcode == PING
            client.socket.sendall(RawSocket.frame(10, payload))
        client.close()


def main():
    with Server(*FLAGS) as server:
        check_upgrades(server)
        check_breaches(server)
        check_stalled_readers(server)
        check_floods(server)
    check_silent_client()
    print("WebSocket: breaches, floods, stalled and silent clients")


if __name__ == "__main__":
    main()
