"""The wall clock jumps by an hour and by ten years, forward and back, under load: limits,
timeouts and measured times go on; only what is printed as a date moves. Needs libfaketime, and says
so without it."""
import glob
import pathlib
import sys
import tempfile
import threading
import time

from ledger import Ledger, patient
from troupe_server import Server

JUMPS_S = (3600, -3600, 315_360_000, -315_360_000, 0)
JOB = {"prompt": "Hello", "max_tokens": 40, "ignore_eos": True, "temperature": 0}


class Shifted(Server):
    """Sees the wall clock of a file; the monotonic one stays."""

    def __init__(self, library, file, *flags):
        super().__init__(*flags)
        self.file = pathlib.Path(file)
        self.environment = dict(self.environment, LD_PRELOAD=library, DONT_FAKE_MONOTONIC="1",
                                FAKETIME_TIMESTAMP_FILE=str(file), FAKETIME_NO_CACHE="1")
        self.jump(0)

    def jump(self, seconds):
        self.file.write_text(f"{seconds:+d}\n")


def observed(server, name):
    return server.metric(name + "_sum"), server.metric(name + "_count")


def main():
    libraries = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not libraries:
        print("skipped: libfaketime is not here")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder, \
            Shifted(libraries[0], pathlib.Path(folder) / "time", "--rate-limit", "40r/s",
                    "--rate-burst", 2, "--rate-nodelay", "--queue-timeout", "20s",
                    "--request-timeout", "30s") as server:
        ledger, stop = Ledger(server), threading.Event()
        expected = ledger.ask(JOB).text

        def work():
            while not stop.is_set():
                ledger.ask(JOB)
                time.sleep(0.05)

        clients = [threading.Thread(target=work) for _ in range(3)]
        for client in clients:
            client.start()
        dates = set()
        for seconds in JUMPS_S:
            server.jump(seconds)
            time.sleep(0.8)
            assert server.get("/ready")[0] == 200, seconds
            dates.add(round((date_of(ledger) - time.time()) / 3600))
        stop.set()
        for client in clients:
            client.join()
        ends = ledger.check()
        assert set(ends) <= {"finished", "refused"} and ends["finished"] > 20, ends
        assert all(r.text == expected for r in ledger.records
                   if r.end == "finished" and r.text is not None)
        # The rate is still the rate: so many pass and no more.
        time.sleep(0.5)
        burst = [ledger.ask({**JOB, "max_tokens": 1}).end for _ in range(3)]
        assert "finished" in burst
        for name in ("http_request_duration_seconds", "vllm:e2e_request_latency_seconds",
                     "vllm:time_to_first_token_seconds"):
            total, count = observed(server, name)
            assert 0 <= total < patient(10) * max(1, count), (name, total, count)
        assert len(dates) >= 5, f"the clock did not jump: {dates}"
    print(f"clock: {ends['finished']} requests over {len(JUMPS_S)} jumps of up to ten years, same "
          "text, no timeout, no wrong time measured")


def date_of(ledger):
    """The server's idea of now."""
    while True:
        record = ledger.ask({"prompt": "Hi", "max_tokens": 1}, path="/v1/completions")
        if record.end == "finished":
            record.text = None
            return record.answer["created"]
        assert record.end == "refused", record.error
        time.sleep(0.1)


if __name__ == "__main__":
    main()
