"""A log that cannot be written holds nobody: a full disk, a closed error stream, a reader that
left. What is missing is counted, and the log says so as soon as it can."""
import pathlib
import re
import subprocess
import tempfile
import time

from ledger import Ledger
from troupe_server import BINARY, Server

JOB = {"prompt": "Hello", "max_tokens": 4}
NUM_LINES = 50


def lost(server, log):
    return server.metric(f'troupe_log_lines_lost_total{{log="{log}"}}')


class Silent(Server):
    """Its error stream is the file descriptor of `make_error`; its port is told on stdout."""

    def __init__(self, make_error, *flags):
        super().__init__(*flags)
        self.make_error = make_error

    def __enter__(self):
        popen = subprocess.Popen

        def start(command, **kwargs):
            return self.make_error(popen, command, kwargs)
        subprocess.Popen = start
        try:
            return super().__enter__()
        finally:
            subprocess.Popen = popen

    def metric(self, name):
        text = self.get("/metrics")[1]
        pattern = rf"^{re.escape(name)}(?:\{{[^}}]*\}})? (\S+)$"
        values = re.findall(pattern, text, re.M)
        assert values, f"no metric {name}"
        return sum(map(float, values))


def to_full_disk(popen, command, kwargs):
    with open("/dev/full", "wb") as full:
        return popen(command, **kwargs | {"stderr": full})


def closed(popen, command, kwargs):
    return popen(["sh", "-c", 'exec "$@" 2>&-', "sh", *command],
                 **kwargs | {"stderr": subprocess.DEVNULL})


def without_reader(popen, command, kwargs):
    process = popen(command, **kwargs | {"stderr": subprocess.PIPE})
    process.stderr.close()
    return process


def check_error_stream(name, make_error):
    """Every start writes lines; a request for what is not there writes one, too."""
    with Silent(make_error) as server:
        ledger = Ledger(server)
        for _ in range(5):
            assert ledger.ask(JOB).end == "finished"
        ledger.check()
        server.wait_until(lambda: lost(server, "server") > 0, 5, f"{name}: lost lines are counted")


def check_full_file():
    """The access log on a disk without room, and then with some."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "access.log"
        # A limit on the size of files is a full disk that a test can empty.
        command = ["prlimit", "--fsize=4096:1000000", BINARY]
        server = Server("--access-log", path)
        server.command = [*command, *server.command[1:]]
        with server:
            ledger = Ledger(server)
            for _ in range(NUM_LINES):
                assert ledger.ask(JOB).end == "finished"
            server.wait_until(lambda: lost(server, "access") > NUM_LINES / 3, 5, "lines are lost")
            missing = lost(server, "access")
            assert path.stat().st_size <= 4096
            subprocess.run(["prlimit", f"--pid={server.process.pid}", "--fsize=1000000"],
                           check=True)
            assert ledger.ask(JOB).end == "finished"
            time.sleep(0.5)
            ledger.check()
            lines = path.read_text().splitlines()
            told = [line for line in lines if "could not be written" in line]
            assert len(told) == 1 and int(told[0].split()[0]) >= missing, told
            assert lines[-1].startswith('{"time"') and lines[-1].endswith("}"), lines[-3:]
    return int(missing)


def main():
    for name, how in (("full disk", to_full_disk), ("closed", closed),
                      ("no reader", without_reader)):
        check_error_stream(name, how)
    with Server("--access-log", "/dev/full") as server:
        ledger = Ledger(server)
        for _ in range(5):
            assert ledger.ask(JOB).end == "finished"
        server.wait_until(lambda: lost(server, "access") >= 5, 5, "lost lines are counted")
        ledger.check()
    missing = check_full_file()
    print(f"logs: served with the error stream full, closed and without a reader; {missing} lines "
          "of an access log on a full disk counted, and told once there was room")


if __name__ == "__main__":
    main()
