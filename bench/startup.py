#!/usr/bin/python3
"""Start-up: from the start of the process to the first token of an answer over HTTP.

startup.py BINARY[,BINARY...] MODEL_DIR[,MODEL_DIR...] [--repeats 7] [--flag=FLAG ...]

Starts every server in turns, with default flags but the port, asks for one token as soon as it says
that it listens, and prints medians: until it listens, until the token is there, and the CPU time of
the process up to then (which a busy machine changes least). The files were
read once before, so that they come from the page cache. The server's own log says what its phases
took ("started in ..."); the last run's line is printed.
"""
import argparse
import ctypes
import json
import mmap
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import time

BODY = json.dumps({"prompt": "Hello", "max_tokens": 1, "ignore_eos": True}).encode()
REQUEST = (b"POST /generate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
           b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(BODY)) + BODY


def touch_seconds(num_bytes):
    """What the machine itself takes to give that much fresh memory to one thread."""
    block = mmap.mmap(-1, num_bytes)
    block.madvise(mmap.MADV_HUGEPAGE)
    view = (ctypes.c_char * num_bytes).from_buffer(block)
    begin = time.monotonic()
    ctypes.memset(view, 0, num_bytes)
    return time.monotonic() - begin


def ask(port):
    with socket.create_connection(("127.0.0.1", port)) as link:
        link.sendall(REQUEST)
        answer = b""
        while chunk := link.recv(65536):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 200"), answer[:300]


def cpu_seconds(pid):
    """Of its threads but those that yield to all others (they fill memory beside the work)."""
    ticks = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        fields = (task / "stat").read_text().rpartition(")")[2].split()
        if int(fields[16]) < 19:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def start_once(binary, model, flags):
    """Seconds until the server listens, until the token is there, and of CPU; the log's lines."""
    begin = time.monotonic()
    server = subprocess.Popen([binary, "serve", model, "--port", "0", *flags],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = server.stdout.readline()
        listening = time.monotonic() - begin
        found = re.search(r":(\d+)/", line)
        assert found, server.stderr.read()
        ask(int(found.group(1)))
        answered = time.monotonic() - begin
        cpu = cpu_seconds(server.pid)
    finally:
        server.send_signal(signal.SIGTERM)
        log = server.communicate(timeout=60)[1]
    return listening, answered, cpu, [line for line in log.splitlines() if "started in" in line]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binaries")
    parser.add_argument("models")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--flag", action="append", default=[])
    options = parser.parse_args()
    print(f"1 GiB of fresh memory, one thread: {touch_seconds(1 << 30):.2f} s")
    flags = [part for flag in options.flag for part in flag.split(" ")]
    for model in options.models.split(","):
        for file in pathlib.Path(model).glob("*.safetensors"):
            with open(file, "rb") as stream:
                while stream.read(1 << 24):
                    pass
        results = {binary: [] for binary in options.binaries.split(",")}
        for _ in range(options.repeats):
            for binary, runs in results.items():
                runs.append(start_once(binary, model, flags))
        for binary, runs in results.items():
            listening, answered, cpu = (statistics.median(run[i] for run in runs)
                                        for i in range(3))
            best = min(run[1] for run in runs)
            print(f"{model} {binary}: listens after {listening:.3f} s, first token after "
                  f"{answered:.3f} s (best {best:.3f}), having used {cpu:.2f} s of CPU")
            for line in runs[-1][3]:
                print("   ", line)


if __name__ == "__main__":
    main()
