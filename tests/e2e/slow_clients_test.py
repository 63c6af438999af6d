"""Hundreds of clients that send a request byte by byte, or a head without an end, are cut off while
others are served, and cost little memory."""
import select
import socket
import time

from troupe_server import PATIENCE, Server

NUM_SLOW = 400
NUM_HUGE = 50
HEAD_BYTES = 10 << 20
MAX_GROWTH = 64 << 20
JOB = {"prompt": "Hello", "max_tokens": 4}


def open_all(server, number):
    return [socket.create_connection(("127.0.0.1", server.port)) for _ in range(number)]


def read_end(client):
    """Everything until the server closes; a reset ends it, too."""
    text = b""
    try:
        while piece := client.recv(4096):
            text += piece
    except ConnectionResetError:
        pass
    return text


def check_slow(server):
    clients = open_all(server, NUM_SLOW)
    for client in clients:
        client.sendall(b"POST /generate HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    waiting, answers, served = set(clients), [], 0
    deadline = time.monotonic() + 60 * PATIENCE
    while waiting:
        assert time.monotonic() < deadline, f"{len(waiting)} slow clients are still connected"
        ready = select.select(list(waiting), [], [], 0)[0]
        for client in ready:
            answers.append(read_end(client))
            client.close()
            waiting.remove(client)
        for client in waiting:
            try:
                client.send(b"a")
            except OSError:  # read on the next turn
                pass
        status, answer = server.post(JOB)
        assert status == 200, answer
        served += 1
        time.sleep(0.05)
    told = sum(answer.startswith(b"HTTP/1.1 408 ") for answer in answers)
    # A byte that crosses the close on its way resets the connection before the answer is read.
    assert told > NUM_SLOW / 2, told
    print(f"{NUM_SLOW} slow clients cut off, {told} heard 408, {served} others served meanwhile")


def check_huge(server):
    clients, piece = open_all(server, NUM_HUGE), b"a" * (64 << 10)
    told = sent = 0
    for client in clients:
        client.settimeout(20 * PATIENCE)
        mine = 0
        try:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Huge: ")
            while mine < HEAD_BYTES:
                client.sendall(piece)
                mine += len(piece)
            raise AssertionError("the server took a head of 10 MiB")
        except (BrokenPipeError, ConnectionResetError):
            pass
        sent += mine
        told += read_end(client).startswith(b"HTTP/1.1 431 ")
        client.close()
        status, answer = server.post(JOB)
        assert status == 200, answer
    print(f"{NUM_HUGE} huge heads cut off after {sent / NUM_HUGE / 1024:.0f} KiB on the wire, "
          f"{told} heard 431")
    # One that stops where the limit is hears why.
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Huge: " + b"a" * 8500)
        assert read_end(client).startswith(b"HTTP/1.1 431 ")


def main():
    with Server("--header-timeout", "2s", "--max-model-len", 256) as server:
        assert server.post(JOB)[0] == 200
        before = server.rss_bytes()
        check_slow(server)
        check_huge(server)
        growth = server.rss_bytes() - before
        print(f"{growth / 2**20:.1f} MiB more memory")
        assert growth < MAX_GROWTH, growth


if __name__ == "__main__":
    main()
