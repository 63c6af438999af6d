"""The system refuses the process more memory: requests that need some end with an error or are
answered, the process lives, and all is well as soon as there is memory again."""
import concurrent.futures
import http.client
import json
import pathlib
import re
import resource

from ledger import Ledger
from troupe_server import Server

SPARE_BYTES = (0, 256 << 10, 1 << 20, 4 << 20, 16 << 20)
# Without arenas that were reserved beforehand, so that the limit is met at once.
ALLOCATOR = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TOP_PAD_": "0"}
LARGE = json.dumps({"prompt": "word " * 1_500_000, "max_tokens": 4}).encode()
MANY = [{"prompt": f"Number {i}. " + "and so on " * 150, "max_tokens": 60, "seed": i,
         "stream": i % 2 == 0} for i in range(24)]


def address_space(server):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"VmSize:\s+(\d+) kB", status)[1]) << 10


def send_large(server):
    connection = server.connect()
    try:
        connection.request("POST", "/generate", LARGE, {"Content-Type": "application/json"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return "closed"
    finally:
        connection.close()


def main():
    server = Server("--max-model-len", 2048)
    server.environment = server.environment | ALLOCATOR
    with server:
        server.wait_until(lambda: not server.is_filling_memory(), 30, "memory is filled")
        ledger = Ledger(server)
        job = {"prompt": "Tell me a story.", "max_tokens": 60, "temperature": 0}
        expected = ledger.ask(job).text
        fine, seen = (resource.RLIM_INFINITY,) * 2, {}
        for spare in SPARE_BYTES:
            limit = address_space(server) + spare
            resource.prlimit(server.process.pid, resource.RLIMIT_AS, (limit, fine[1]))
            with concurrent.futures.ThreadPoolExecutor(32) as pool:
                large = [pool.submit(send_large, server) for _ in range(6)]
                small = [pool.submit(ledger.ask, body) for body in MANY]
                answers = [f.result() for f in large]
                ends = [f.result().end for f in small]
            assert server.process.poll() is None, (
                server.process.returncode, spare, "".join(server.log[-20:]))
            resource.prlimit(server.process.pid, resource.RLIMIT_AS, fine)
            server.wait_until(lambda: server.metric("troupe_overload_level") == 0, 10,
                              "there is memory again")
            again = ledger.ask(job)
            assert (again.end, again.text) == ("finished", expected), (again.end, again.error)
            seen[spare >> 10] = (sorted(map(str, answers)), {e: ends.count(e) for e in set(ends)})
        lost = [r for r in ledger.records if r.end == "lost"]
        ledger.records = [r for r in ledger.records if r.end != "lost"]
        ledger.quiet()
    for spare, (large, small) in seen.items():
        print(f"no memory: {spare} KiB to spare: large bodies {large}, small ones {small}")
    print(f"{len(lost)} answers cut off, none of them hangs")


if __name__ == "__main__":
    main()
