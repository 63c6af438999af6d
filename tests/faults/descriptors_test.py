"""Out of file descriptors: those who are connected are served, accepting rests instead of turning
in circles, and goes on as soon as there are some again."""
import pathlib
import os
import resource
import socket
import time

from ledger import Ledger, patient
from troupe_server import Server

LIMIT = 64
MAX_CPU = 0.05
JOB = {"prompt": "Hello", "max_tokens": 4}


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    with Server("--max-connections-per-ip", 4000) as server:
        server.wait_until(lambda: not server.is_filling_memory(), 30, "memory is filled")
        ledger = Ledger(server)
        kept = server.connect()
        assert server.post(JOB, kept)[0] == 200
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
        idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(2 * LIMIT)]
        server.wait_until(lambda: any("no connection can be accepted" in line
                                      for line in server.log), 10, "it says so")
        before, began = cpu_seconds(server.process.pid), time.monotonic()
        time.sleep(2)
        share = (cpu_seconds(server.process.pid) - before) / (time.monotonic() - began)
        assert server.post(JOB, kept)[0] == 200, "who is connected is served"
        for client in idle:
            client.close()
        began = time.monotonic()
        assert server.post(JOB)[0] == 200
        recovered = time.monotonic() - began
        server.wait_until(lambda: any("accepted again" in line for line in server.log), 10,
                          "it says so")
        told = sum("no connection can be accepted" in line for line in server.log)
        kept.close()
        ledger.quiet()
        server.wait_until(lambda: ledger.count_fds() <= ledger.fds + 2, 10, "descriptors")
    print(f"descriptors: {100 * share:.1f} % of a core while {2 * LIMIT} connections found "
          f"{LIMIT} descriptors, told {told} times, served {recovered:.2f} s after they left")
    assert share < patient(MAX_CPU), share
    assert told <= 3, told
    assert recovered < patient(2), recovered


if __name__ == "__main__":
    main()
