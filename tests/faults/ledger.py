"""What every client saw, held against what the server counted: each request that was accepted ends
exactly once, and nothing is left of any when all is quiet."""
import collections
import http.client
import json
import pathlib
import re
import socket
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from troupe_server import PATIENCE  # noqa: E402

# How a request may end for its client. Only the first four are ends of an accepted one.
ENDS = ("finished", "failed", "timed_out", "cancelled", "refused", "lost")
# Codes of refusals: such a request never entered the queue.
REFUSALS = {"queue_full", "overloaded", "rate_limit_exceeded", "shutting_down", "unavailable",
            "too_many_connections"}


class Record:
    """One request as its client saw it."""

    def __init__(self, body):
        self.body, self.began = body, time.monotonic()
        self.status, self.text, self.error, self.end = None, "", None, None
        self.answer = None  # the JSON of one that is no stream
        self.retry_after, self.first_token, self.ended = None, None, None
        self.events = self.ends = 0

    def close(self, end):
        assert end in ENDS
        self.end, self.ended = end, time.monotonic()
        return self

    @property
    def seconds(self):
        return self.ended - self.began

    def judge_error(self, error, status):
        self.error = error
        code = error.get("code") if isinstance(error, dict) else None
        if status is None:  # an event of a stream: it was accepted
            return self.close("timed_out" if code == "timed_out" else "failed")
        if status == 504 or code == "timed_out":
            return self.close("timed_out")
        if status == 429 or code in REFUSALS or 400 <= status < 500:
            return self.close("refused")
        return self.close("failed")


class Ledger:
    """Thread-safe list of records, and the invariant over them."""

    def __init__(self, server):
        self.server, self.lock, self.records = server, threading.Lock(), []
        self.fds = self.count_fds()
        self.before = self.finished_by_reason()

    def count_fds(self):
        return len(list(pathlib.Path(f"/proc/{self.server.process.pid}/fd").iterdir()))

    def keep(self, record):
        with self.lock:
            self.records.append(record)
        return record

    def ask(self, body, path="/generate", leave_after=None):
        """One request to its end; `leave_after`: events after which the client closes."""
        record = Record(body)
        connection = self.server.connect()
        try:
            connection.request("POST", path, json.dumps(body),
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            record.status = answer.status
            record.retry_after = answer.getheader("Retry-After")
            if answer.status == 200 and body.get("stream"):
                self.read_events(answer, record, leave_after)
            else:
                self.read_whole(answer, record)
        except (OSError, http.client.HTTPException) as error:
            if record.end is None:
                record.error = repr(error)
                record.close("lost")
        finally:
            connection.close()
        return self.keep(record)

    @staticmethod
    def read_whole(answer, record):
        record.answer = data = json.loads(answer.read())
        if answer.status == 200:
            record.text = data.get("text", "")
            record.close("finished")
        else:
            record.judge_error(data.get("error", data), answer.status)

    @staticmethod
    def read_events(answer, record, leave_after):
        failed = None
        for line in answer:
            if not line.startswith(b"data: "):
                continue
            if line.strip() == b"data: [DONE]":
                record.ends += 1
                break
            event = json.loads(line[6:])
            if "error" in event:
                failed = event["error"]
                continue
            record.first_token = record.first_token or time.monotonic()
            record.events += 1
            record.text += event.get("text", "")
            if leave_after is not None and record.events >= leave_after:
                record.close("cancelled")
                return
        if failed:
            record.judge_error(failed, None)
        elif record.ends == 1:
            record.close("finished")
        else:
            record.close("lost")

    def vanish(self, body, after_s=0.0):
        """Sends a request and resets the connection."""
        record = Record(body)
        data = json.dumps(body).encode()
        client = socket.create_connection(("127.0.0.1", self.server.port))
        client.sendall(b"POST /generate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                       b"Content-Length: %d\r\n\r\n" % len(data) + data)
        time.sleep(after_s)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        return self.keep(record.close("cancelled"))

    def count(self):
        return collections.Counter(record.end for record in self.records)

    def quiet(self, seconds=10):
        """Nothing runs, waits or is held but the prefix cache."""
        gauges = ("vllm:num_requests_running", "vllm:num_requests_waiting",
                  "troupe_kv_pages_used", "troupe_http_streams")
        self.server.wait_until(
            lambda: all(self.server.metric(gauge) == 0 for gauge in gauges), seconds, "quiet")
        # The one that asks.
        self.server.wait_until(lambda: self.server.metric("troupe_http_connections") <= 1, seconds,
                               "connections are closed")

    def check(self, max_failed=0):
        """Holds every record, and what the server counted meanwhile, to the promise."""
        self.quiet()
        ends = self.count()
        assert ends["lost"] == 0, [r.error for r in self.records if r.end == "lost"][:3]
        assert ends["failed"] <= max_failed, [r.error for r in self.records
                                              if r.end == "failed"][:3]
        doubled = [r for r in self.records if r.ends > 1]
        assert not doubled, len(doubled)
        # A client that left cannot know whether it had been accepted or answered.
        known = ends["finished"] + ends["failed"] + ends["timed_out"]
        counted = {reason: value - self.before.get(reason, 0)
                   for reason, value in self.finished_by_reason().items()}
        total = sum(counted.values())
        assert known <= total <= known + ends["cancelled"], (counted, ends)
        assert counted["failed"] <= ends["failed"] + ends["cancelled"], (counted, ends)
        assert ends["finished"] <= counted["stop"] + counted["length"] <= \
            ends["finished"] + ends["cancelled"], (counted, ends)
        self.server.wait_until(lambda: self.count_fds() <= self.fds + 2, 10, "descriptors are back")
        return ends

    def finished_by_reason(self):
        text = self.server.get("/metrics")[1]
        found = re.findall(r'troupe_requests_finished_total\{[^}]*reason="(\w+)"\} (\S+)', text)
        return {reason: float(value) for reason, value in found}


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def patient(seconds):
    return seconds * PATIENCE
