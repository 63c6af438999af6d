"""`troupe bench report` and `compare`: from runs to pages that open without a network."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from browser_test import CHROMIUM, missing
from node_packages import MODULES, SCRIPTS, SKIPPED
from troupe_server import BINARY, PATIENCE, PLAIN_ENVIRONMENT, Server

# What a busy machine does to the generator is not tested here.
RUN = ["--max-send-lag", "10s", "--prompt-words", "8", "--max-tokens", "12", "--ignore-eos",
       "--duration", "3s"]


def bench(*words, expected=0):
    """What it printed, when it ends with the status that is expected."""
    done = subprocess.run([BINARY, "bench", *map(str, words)], env=PLAIN_ENVIRONMENT, text=True,
                          capture_output=True, timeout=120 * PATIENCE, check=False)
    assert done.returncode == expected, \
        f"exit status {done.returncode}, expected {expected}:\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def make_runs(url, folder):
    """Two runs of the same plan and one of another; the first also as a page of its own."""
    def run(name, *flags):
        bench(url, *RUN, "--json", folder / f"{name}.json", "--ledger", folder / f"{name}.jsonl",
              "--quiet", *flags)
    run("a", "--rate", 12, "--html", folder / "own.html")
    run("b", "--rate", 12)
    run("users", "--users", 2)


def check_report(folder):
    bench("report", folder / "a.json")
    page = (folder / "a.html").read_text(encoding="utf-8")
    # The same, but for what the file says of the model or the time in other digits.
    assert page == (folder / "own.html").read_text(encoding="utf-8")
    assert len(page.encode()) <= 200 * 1024
    assert "Limits" not in page.split("</nav>")[0]  # none were set
    bench("report", folder / "a.json", "-o", folder / "other.html")
    assert (folder / "other.html").read_text(encoding="utf-8") == page
    assert "cannot write" in bench("report", folder / "a.json", "-o", folder / "no" / "x.html",
                                   expected=1)
    (folder / "wrong.json").write_text("{}")
    bench("report", folder / "wrong.json", expected=1)
    bench("report", folder / "missing.json", expected=1)


def check_compare(folder):
    a, b, users = (folder / f"{name}.json" for name in ("a", "b", "users"))
    ledgers = ("--ledgers", folder / "a.jsonl", folder / "b.jsonl")
    said = bench("compare", a, b, "--max-regress", "ttft_p99=100000%", *ledgers, "--html",
                 folder / "both.html")
    assert re.search(r"ttft_p99 +\S+ .s +\S+ .s", said), said
    # A run that waits four times as long everywhere.
    slow = folder / "slow.json"
    text = b.read_text()
    buckets = re.compile(r'"buckets":\[(.*?)\]\]')
    shifted = buckets.sub(lambda m: '"buckets":[' + re.sub(
        r"\[(\d+),", lambda n: f"[{int(n[1]) + 139},", m[1]) + "]]", text)
    for field in ("sum_s", "max_s", "min_s"):
        shifted = re.sub(rf'"{field}":([\d.e+-]+)',
                         lambda m, f=field: f'"{f}":{float(m[1]) * 4}', shifted)
    slow.write_text(shifted)
    said = bench("compare", b, slow, "--max-regress", "ttft_p99=5%,e2e_mean=5%", expected=3)
    assert re.search(r"regression: ttft_p99 went from .*: \+\d+ % \(95 % interval", said), said
    assert "regression: e2e_mean" in said
    bench("compare", b, slow)  # nothing was asked
    bench("compare", slow, b, "--max-regress", "ttft_p99=5%")
    said = bench("compare", a, users, expected=1)
    assert "not comparable" in said and "plan: A has rate, B has users" in said, said
    assert "plan: A has rate" in bench("compare", a, users, "--force")
    bench("compare", a, b, "--max-regress", "speed=5%", expected=1)
    bench("compare", a, expected=1)
    bench("compare", a, b, "--ledgers", folder / "a.jsonl", a, expected=1)


def main():
    with Server() as server, tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_runs(f"http://127.0.0.1:{server.port}", folder)
        check_report(folder)
        check_compare(folder)
        reason = missing()
        if reason:
            print("all but the browser passed; skipped: " + reason)
            return SKIPPED
        command = ["node", SCRIPTS / "report.mjs", MODULES, folder / "a.html", folder / "both.html"]
        env = {**os.environ, "TROUPE_CHROMIUM": CHROMIUM, "HOME": name}
        return subprocess.run(command, env=env, timeout=120 * PATIENCE, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
