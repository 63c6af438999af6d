"""2,000 idle connections beside 256 that stream: nobody sees an error, idle ones cost little."""
import asyncio
import json
import resource
import sys

from troupe_server import PATIENCE, Server

NUM_IDLE, NUM_STREAMS = 2000, 256
MAX_IDLE_BYTES = 24 << 10  # resident, for each idle connection
HEALTH = b"GET /version HTTP/1.1\r\nHost: h\r\n\r\n"


def generate(number):
    body = json.dumps({"prompt": f"Visitor {number} asks for a story.", "max_tokens": 64,
                       "ignore_eos": True, "stream": True, "seed": number}).encode()
    return (b"POST /generate HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)) + body


async def read_whole(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
    assert head.startswith(b"HTTP/1.1 200"), head
    return await reader.readexactly(length)


async def open_idle(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEALTH)
    await read_whole(reader)
    return reader, writer


async def open_all(port, num):
    gate = asyncio.Semaphore(100)

    async def one():
        async with gate:
            return await open_idle(port)
    return await asyncio.gather(*[one() for _ in range(num)])


async def stream(port, number):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(generate(number))
    text = await asyncio.wait_for(reader.readuntil(b"\r\n0\r\n\r\n"), 120 * PATIENCE)
    writer.close()
    assert text.startswith(b"HTTP/1.1 200"), text[:200]
    assert b'"completion_tokens":64' in text and b"[DONE]" in text, text[-500:]


async def talk(server):
    # A connection or two, so that what is allocated once is not counted.
    await open_all(server.port, 20)
    before = server.rss_bytes()
    idle = await open_all(server.port, NUM_IDLE)
    grown = (server.rss_bytes() - before) / NUM_IDLE
    await asyncio.gather(*[stream(server.port, i) for i in range(NUM_STREAMS)])
    # Every idle connection is still there and still serves.
    for reader, writer in idle:
        writer.write(HEALTH)
    await asyncio.gather(*[read_whole(reader) for reader, _ in idle])
    for _, writer in idle:
        writer.close()
    return grown


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = NUM_IDLE + NUM_STREAMS + 200
    if hard != resource.RLIM_INFINITY and hard < needed:
        print(f"skipped: needs {needed} file descriptors, may have {hard}")
        sys.exit(77)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    with Server("--max-connections-per-ip", 4000) as server:
        grown = asyncio.run(talk(server))
        assert grown < MAX_IDLE_BYTES, f"{grown:.0f} bytes an idle connection"
        server.wait_until(lambda: server.metric("troupe_kv_pages_used") == 0, 10, "pages free")
    print(f"{NUM_IDLE} idle at {grown / 1024:.1f} KiB each, {NUM_STREAMS} streams, 0 errors")


if __name__ == "__main__":
    main()
