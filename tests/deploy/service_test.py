"""The systemd unit: no word that systemd does not know, locked up well, nothing missing in it."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import urllib.request

import files
from files import DEPLOY
from troupe_server import BINARY, DEMO, PLAIN_ENVIRONMENT

UNIT = DEPLOY / "systemd/troupe.service"
# systemd-analyze's exposure: 0 is locked up, 10 is open.
WORST = {"cpu": 1.5, "cuda": 3.0}


def systemd_analyze(*arguments, folder):
    done = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True,
                          timeout=60, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8",
                                           "SYSTEMD_UNIT_PATH": f"{folder}:"})
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return output


def check_unit(kind):
    """The unit as it is, but for the program's place; with `cuda` as cuda.conf changes it."""
    with tempfile.TemporaryDirectory() as folder:
        text = UNIT.read_text()
        assert text.count("/usr/local/bin/troupe") == 1
        unit = pathlib.Path(folder) / UNIT.name
        unit.write_text(text.replace("/usr/local/bin/troupe", BINARY))
        if kind == "cuda":
            drop_ins = pathlib.Path(folder) / f"{UNIT.name}.d"
            drop_ins.mkdir()
            (drop_ins / "cuda.conf").write_text((DEPLOY / "systemd/cuda.conf").read_text())
        said = systemd_analyze("verify", str(unit), folder=folder)
        ours = [line for line in said.splitlines() if "troupe" in line or "cuda.conf" in line]
        assert not ours, ours
        # Says the exposure, and fails above the threshold (in tenths).
        said = systemd_analyze("security", "--offline=true", f"--threshold={WORST[kind] * 10:.0f}",
                               str(unit), folder=folder)
        return re.search(r"exposure level.*: ([\d.]+)", said)[1]


def allowed_calls():
    """What SystemCallFilter= leaves of the system calls: a set is written at the left, what it has
    is indented, other sets among it."""
    sets, current = {}, None
    listing = subprocess.run(["systemd-analyze", "syscall-filter"], capture_output=True, text=True,
                             check=True).stdout
    for line in listing.splitlines():
        if line.startswith("@"):
            current = sets[line] = set()
        elif re.match(r"\s+[@\w]", line) and current is not None:
            current.add(line.strip())

    def calls(name):
        if not name.startswith("@"):
            return {name}
        return set().union(*map(calls, sets[name]))

    allowed = calls("@default")
    for words in re.findall(r"^SystemCallFilter=(.*)$", UNIT.read_text(), re.M):
        for name in words.lstrip("~").split():
            allowed = allowed - calls(name) if words.startswith("~") else allowed | calls(name)
    return allowed | calls("@default")


def check_calls():
    """What a server calls from its start over an answer to its end is allowed."""
    if not shutil.which("strace"):
        print("not checked: the system calls, without strace")
        return
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "calls"
        with subprocess.Popen(["strace", "-f", "-c", "-U", "name", "-o", out, BINARY, "serve", DEMO,
                               "--port", "0"], env=PLAIN_ENVIRONMENT, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as tracer:
            try:
                port = next(found[1] for line in tracer.stdout
                            if (found := re.search(r"http://127\.0\.0\.1:(\d+)", line)))
                body = (b'{"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 8, '
                        b'"response_format": {"type": "json_object"}}')
                for path, data in (("v1/chat/completions", body), ("metrics", None)):
                    request = urllib.request.Request(f"http://127.0.0.1:{port}/{path}", data,
                                                     {"Content-Type": "application/json"})
                    urllib.request.urlopen(request, timeout=60).read()
            finally:
                children = pathlib.Path(f"/proc/{tracer.pid}/task/{tracer.pid}/children")
                for child in children.read_text().split():
                    os.kill(int(child), signal.SIGTERM)
                tracer.communicate(timeout=60)
        used = set(re.findall(r"^\s*(\w+)\s*$", out.read_text(), re.M)) - {"total", "syscall"}
    assert len(used) > 30, used
    refused = used - allowed_calls()
    assert not refused, f"SystemCallFilter= refuses {refused}"
    print(f"{len(used)} system calls of a server are allowed")


def check_configuration():
    """The file that the unit names is the one beside it, at the place that the unit says."""
    (path,) = set(re.findall(r"--config (\S+)", UNIT.read_text()))
    toml = (DEPLOY / "systemd" / pathlib.Path(path).name).read_text()
    assert path in toml.splitlines()[0], "the file says where it belongs"


def main():
    files.skip_without(programs=["systemd-analyze"])
    check_configuration()
    exposures = {kind: check_unit(kind) for kind in WORST}
    assert exposures["cpu"] != exposures["cuda"], "cuda.conf changes nothing"
    print(f"exposure (0 is best, 10 worst): {exposures}")
    check_calls()


if __name__ == "__main__":
    main()
