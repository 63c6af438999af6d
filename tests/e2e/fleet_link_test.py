"""Replicas that join by themselves: who is let in, what happens when the gateway goes or the link
is cut. The cut needs a network namespace; where none can be made, that part is left out and says
so."""
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import threading
import time

from fleet_test import Load, body, check, percentile, serving
from troupe_server import BINARY, DEMO, PATIENCE, PLAIN_ENVIRONMENT, Server

SECRET = "only for those who know"
ENVIRONMENT = PLAIN_ENVIRONMENT | {"TROUPE_FLEET_SECRET": SECRET}


def run(*words, **more):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **more)


def make_certificates(folder):
    """Two authorities, each with a certificate of its own: {name: flags}."""
    flags = {}
    for name in ("ours", "theirs"):
        ca, cert = folder / f"{name}-ca", folder / name
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
            f"/CN={name} CA", "-keyout", f"{ca}.key", "-out", f"{ca}.pem")
        run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout",
            f"{cert}.key", "-out", f"{cert}.csr")
        run("openssl", "x509", "-req", "-days", "2", "-in", f"{cert}.csr", "-CA", f"{ca}.pem",
            "-CAkey", f"{ca}.key", "-CAcreateserial", "-out", f"{cert}.pem")
        flags[name] = ["--fleet-cert", f"{cert}.pem", "--fleet-key", f"{cert}.key", "--fleet-ca",
                       f"{ca}.pem"]
    return flags


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Gateway(Server):
    """Without replicas of its own: it is not ready before one has joined."""

    def __init__(self, host, port, *flags):
        super().__init__("--replicas", 0, "--fleet-listen", f"{host}:{port}", *flags)
        self.environment = ENVIRONMENT

    def is_up(self):
        return self.get("/health")[0] == 200


class Replica:
    def __init__(self, place, *flags, secret=SECRET, model=DEMO, before=()):
        self.command = [*before, BINARY, "serve", str(model), "--join", place, "--threads", "1",
                        "--num-gpu-blocks-override", "2048", *map(str, flags)]
        self.environment = PLAIN_ENVIRONMENT | {"TROUPE_FLEET_SECRET": secret}

    def __enter__(self):
        self.process = subprocess.Popen(self.command, env=self.environment,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.log = []
        self.reader = threading.Thread(target=lambda: self.log.extend(self.process.stdout))
        self.reader.start()
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(20 * PATIENCE)
        self.reader.join()
        self.process.stdout.close()


def test_entry(certificates):
    """Only with a certificate of the authority, the secret and the same model."""
    port = free_port()
    place = f"127.0.0.1:{port}"
    with Gateway("127.0.0.1", port, *certificates["ours"]) as gateway:
        assert serving(gateway) == 0
        for what, replica in {
                "another authority": Replica(place, "--no-rejoin", *certificates["theirs"]),
                "no certificate": Replica(place, "--no-rejoin"),
                "another secret": Replica(place, *certificates["ours"], secret="guessed"),
                "another context": Replica(place, *certificates["ours"], "--max-model-len", 512),
        }.items():
            with replica:
                assert replica.process.wait(20 * PATIENCE) == 1, what
            assert serving(gateway) == 0, what
            print("refused:", what, "-", replica.log[-1].split("] ")[-1].strip())
        assert "--fleet-secret" in "".join(gateway.log), "the log does not say why"
        with Replica(place, *certificates["ours"]):
            gateway.wait_until(lambda: gateway.get("/ready")[0] == 200, 20, "a replica joined")
            status, answer = gateway.post(body(1))
            assert status == 200, answer
            mine = answer["text"]
        gateway.wait_until(lambda: serving(gateway) == 0, 10, "it left")
    with Server() as alone:
        assert alone.post(body(1))[1]["text"] == mine


def test_return(certificates):
    """A replica outlives its gateway and comes back."""
    port = free_port()
    with Replica(f"127.0.0.1:{port}", *certificates["ours"]) as replica:
        for _ in range(2):
            with Gateway("127.0.0.1", port, *certificates["ours"]) as gateway:
                gateway.wait_until(lambda: gateway.get("/ready")[0] == 200, 30, "it came back")
                assert gateway.post(body(2))[0] == 200
        assert replica.process.poll() is None


class Namespace:
    """A network namespace with one link to ours."""

    def __enter__(self):
        self.holder = subprocess.Popen(["unshare", "-n", "sleep", "1000"])
        time.sleep(0.3)
        pid = str(self.holder.pid)
        self.link = f"tr{pid}"[-12:]
        run("ip", "link", "add", self.link, "type", "veth", "peer", "name", "tr1", "netns", pid)
        run("ip", "addr", "add", "10.213.77.1/24", "dev", self.link)
        run("ip", "link", "set", self.link, "up")
        self.before = ["nsenter", "-t", pid, "-n"]
        run(*self.before, "ip", "addr", "add", "10.213.77.2/24", "dev", "tr1")
        run(*self.before, "ip", "link", "set", "tr1", "up")
        return self

    def set(self, state):
        run("ip", "link", "set", self.link, state)

    def __exit__(self, *_):
        self.holder.kill()
        self.holder.wait()


def test_cut(certificates):
    """The cable of one of two replicas is pulled under load, and put back."""
    port = free_port()
    with Namespace() as there, Server() as one:
        alone = Load(one, 0)
        with Gateway("10.213.77.1", port, *certificates["ours"]) as gateway, \
                Replica(f"10.213.77.1:{port}", *certificates["ours"]), \
                Replica(f"10.213.77.1:{port}", *certificates["ours"], before=there.before):
            gateway.wait_until(lambda: serving(gateway) == 2, 20, "both joined")
            with Load(gateway, 8) as load:
                time.sleep(0.5)
                there.set("down")
                gateway.wait_until(lambda: serving(gateway) == 1, 10, "the cut is noticed")
                time.sleep(0.5)
                there.set("up")
                gateway.wait_until(lambda: serving(gateway) == 2, 30, "it is back")
            check(load, alone)
            gap = percentile(load.gaps, 0.99)
            print(f"cut: {len(load.texts)} requests, gap p99 {gap:.3f} s, largest "
                  f"{max(load.gaps):.3f} s")
            assert gap < 2 * PATIENCE


def main():
    with tempfile.TemporaryDirectory() as folder:
        certificates = make_certificates(pathlib.Path(folder))
        test_entry(certificates)
        test_return(certificates)
        try:
            with Namespace():
                pass
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"no network namespace here, the cut is left out: {error}")
            return
        test_cut(certificates)


if __name__ == "__main__":
    main()
