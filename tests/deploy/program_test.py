"""What deploy/ says of the program (flags, variables, ports, paths, times) is so."""
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time

import containerfile
import files
from files import DEPLOY, KUBERNETES, ROOT, manifest, seconds, size, yaml_document
from troupe_server import BINARY, DEMO, PLAIN_ENVIRONMENT, Server

INSTALLED_DEMO = "/usr/local/share/troupe/models/demo"
CONFIGURATIONS = [KUBERNETES / "base/troupe.toml", KUBERNETES / "overlays/cpu/troupe.toml",
                  KUBERNETES / "overlays/gpu/troupe.toml", DEPLOY / "systemd/troupe.toml"]
# Of podman, kubectl, Prometheus and apt-get; all others are ours.
FLAGS_OF_OTHERS = {
    "--rm", "--build", "--build-arg", "--no-install-recommends", "--from", "--interval",
    "--timeout", "--start-period", "--retries", "--config.file", "--storage.tsdb.retention.time",
    "--from-file", "--suite"}


def image(device="cpu"):
    return containerfile.settings(containerfile.read(DEPLOY / "Containerfile", DEVICE=device))


def run(*arguments, **environment):
    return subprocess.run([BINARY, *map(str, arguments)], env=PLAIN_ENVIRONMENT | environment,
                          text=True, capture_output=True, timeout=120)


def in_force(*arguments, **environment):
    """{key: (value, origin)} of --print-config."""
    done = run("serve", *arguments, "--print-config", **environment)
    assert done.returncode == 0, (arguments, environment, done.stderr)
    return {key: (value, origin) for key, value, origin in
            re.findall(r"^([\w-]+) = (.*?)  # (.*)$", done.stdout, re.M)}


def check_configurations():
    import tomllib
    for path in CONFIGURATIONS:
        device = "cuda" if "gpu" in path.parts else "cpu"
        environment = {} if "systemd" in path.parts else image(device)["ENV"]
        ours = {k: v for k, v in environment.items() if k.startswith("TROUPE_")}
        plain, inside = in_force("--config", path), in_force("--config", path, **ours)
        values = {key: value for key, (value, _) in plain.items()}
        assert values == {key: value for key, (value, _) in inside.items()}, \
            f"{path}: the image's environment changes what the file says"
        for key in tomllib.loads(path.read_text()):
            assert plain[key][1].startswith("from file"), (path, key, plain[key])
    print(f"{len(CONFIGURATIONS)} configuration files are in force as they are written")


def check_image():
    settings = image()
    command = settings["ENTRYPOINT"] + settings["CMD"]
    assert command == ["troupe", "serve", INSTALLED_DEMO], command
    found = in_force(*command[2:], **{k: v for k, v in settings["ENV"].items()
                                      if k.startswith("TROUPE_")})
    assert found["host"][0] == '"0.0.0.0"' and found["port"][0] == settings["EXPOSE"] == "8080"
    args = manifest("Deployment")["spec"]["template"]["spec"]["containers"][0]["args"]
    assert args[:2] == ["serve", "--config"], args


def compose():
    """compose.yaml with the defaults of its variables in their place."""
    text = (DEPLOY / "compose/compose.yaml").read_text()
    names = set(re.findall(r"\$\{(\w+)", text))
    written = set(re.findall(r"^(?:# )?([A-Z_]+)=", (DEPLOY / "compose/env.example").read_text(),
                             re.M))
    assert names == written, f"env.example and compose.yaml differ: {names ^ written}"
    plain = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
    (document,) = files.yaml_documents("compose.yaml", plain)
    return document


COMPOSE_SERVICE = {"build", "image", "command", "environment", "secrets", "volumes", "ports",
                   "cpus", "mem_limit", "read_only", "cap_drop", "security_opt", "restart",
                   "stop_grace_period", "depends_on"}


def check_compose():
    document = compose()
    assert set(document) <= {"name", "services", "volumes", "secrets"}, set(document)
    for name, service in document["services"].items():
        assert set(service) <= COMPOSE_SERVICE, (name, set(service) - COMPOSE_SERVICE)
        assert set(service.get("secrets", [])) <= set(document["secrets"]), name
        assert set(service.get("depends_on", [])) <= set(document["services"]), name
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            there = (DEPLOY / "compose" / source).exists() if source.startswith(".") else (
                source in document["volumes"])
            assert there, f"{name}: {volume}"
    troupe = document["services"]["troupe"]
    environment = image()["ENV"] | troupe["environment"]
    found = in_force(*troupe["command"][1:], **{k: str(v) for k, v in environment.items()})
    assert found["threads"][0] == str(troupe["cpus"]), found["threads"]
    assert size(found["kv-cache-memory-bytes"][0].strip('"')) * 2 <= size(troupe["mem_limit"])
    assert seconds(troupe["stop_grace_period"]) > seconds(found["drain-timeout"][0].strip('"'))
    assert troupe["ports"][0].endswith(f":{found['port'][0]}")
    check_observers(document, found["port"][0])


def check_observers(document, port):
    """Prometheus asks the service by its name; Grafana finds Prometheus and the dashboard."""
    config = yaml_document(DEPLOY / "prometheus/prometheus.yml")
    (scrape,) = config["scrape_configs"]
    assert scrape["job_name"] == "troupe"
    assert scrape["static_configs"] == [{"targets": [f"troupe:{port}"]}]
    there = {path.name for path in (DEPLOY / "prometheus").glob("*.yml")}
    assert set(config["rule_files"]) == there - {"prometheus.yml"}, there
    provisioning = DEPLOY / "grafana/provisioning"
    (source,) = yaml_document(provisioning / "datasources/prometheus.yml")["datasources"]
    assert source["url"] == "http://prometheus:9090" and "prometheus" in document["services"]
    (provider,) = yaml_document(provisioning / "dashboards/troupe.yml")["providers"]
    grafana = document["services"]["grafana"]
    assert any(f":{provider['options']['path']}/" in each for each in grafana["volumes"])


def check_times():
    """Whoever ends a server waits longer than it drains."""
    pod = manifest("Deployment")["spec"]["template"]["spec"]
    pause = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    for path in CONFIGURATIONS:
        drain = seconds(in_force("--config", path)["drain-timeout"][0].strip('"'))
        unit = (DEPLOY / "systemd/troupe.service").read_text()
        limit = (int(re.search(r"^TimeoutStopSec=(\d+)$", unit, re.M)[1]) if "systemd" in path.parts
                 else pod["terminationGracePeriodSeconds"] - pause)
        assert limit >= drain + 10, f"{path}: {limit} s to drain for {drain} s"


def check_words():
    """Flags and variables that any file of deploy/ names."""
    help_text = run("serve", "--help").stdout
    flags = set(re.findall(r"--[a-z][a-z-]+", help_text))
    variables = {"TROUPE_" + flag[2:].upper().replace("-", "_") for flag in flags}
    variables |= {"TROUPE_MODEL", "TROUPE_JOBS"}
    num_found, others = 0, set()
    for name, text in files.texts().items():
        for flag in re.findall(r"(?<![\w-])--[a-z][a-z.-]*[a-z]", text):
            assert flag in flags | FLAGS_OF_OTHERS, f"{name}: {flag} is no flag"
            num_found += flag in flags
            others |= {flag} - flags
        for variable in re.findall(r"\bTROUPE_[A-Z_]*[A-Z]\b", text):
            assert variable in variables, f"{name}: {variable} is no variable"
            num_found += 1
        for path in re.findall(r"`((?:src|tests|tools|docs|models|deploy)/[\w./-]*)`|"
                               r"\b((?:docs|deploy|tests)/[\w./-]+\.(?:md|py|yaml|yml))", text):
            assert (ROOT / (path[0] or path[1])).exists(), f"{name} names {path}"
    assert num_found > 20, num_found
    assert others == FLAGS_OF_OTHERS, FLAGS_OF_OTHERS - others
    print(f"{num_found} flags and variables in deploy/ are the program's")


def probes():
    container = manifest("Deployment")["spec"]["template"]["spec"]["containers"][0]
    return {name: container[name]["httpGet"]["path"]
            for name in ("startupProbe", "readinessProbe", "livenessProbe")}


def check_running():
    """A server with a configuration of the manifests: probes, keys, memory, its end."""
    with tempfile.TemporaryDirectory() as folder:
        keys = pathlib.Path(folder) / "keys"
        keys.write_text("me 0123456789abcdef\n")
        config = KUBERNETES / "base/troupe.toml"
        # The command line goes first: a free port, and the demo model where the source has it.
        with Server("--config", config, "--host", "127.0.0.1", "--api-key-file", keys) as server:
            for name, path in probes().items():
                status, body = server.get(path)
                wanted = "alive" if name == "livenessProbe" else "ready"
                assert status == 200 and json.loads(body)["status"] == wanted, (name, status, body)
            monitor = manifest("ServiceMonitor", "components/monitoring")["spec"]
            assert "\ntroupe_load{" in server.get(monitor["endpoints"][0]["path"])[1]
            assert server.post({"prompt": "x", "max_tokens": 1})[0] == 401
            check_health_check(server)
    with Server("--config", config, "--host", "127.0.0.1") as server:
        planned = json.loads(server.get("/server_info")[1])["memory"]["planned_bytes"]
        container = manifest("Deployment")["spec"]["template"]["spec"]["containers"][0]
        assert planned < size(container["resources"]["limits"]["memory"]), planned
        check_end(server)


def check_health_check(server):
    """The image's own, which has to do with bash alone."""
    command = [DEPLOY / "container/is-ready"]
    assert image()["HEALTHCHECK"] == ["is-ready"] and os.access(command[0], os.X_OK)
    environment = {"PATH": "/usr/bin:/bin"}
    port = {"TROUPE_PORT": str(server.port)}
    assert subprocess.run(command, env=environment | port).returncode == 0
    with socket.create_server(("127.0.0.1", 0)) as other:  # one that says 503
        def refuse():
            with other.accept()[0] as client:
                client.recv(1000)
                client.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        thread = threading.Thread(target=refuse)
        thread.start()
        port = {"TROUPE_PORT": str(other.getsockname()[1])}
        assert subprocess.run(command, env=environment | port).returncode == 1
        thread.join()
    assert subprocess.run(command, env=environment | port).returncode == 1  # nobody there


def check_end(server):
    """From SIGTERM on nobody comes in, and what runs is finished: why there is a preStop pause."""
    answers = []
    body = {"prompt": "Tell me", "max_tokens": 1500, "ignore_eos": True}
    client = threading.Thread(target=lambda: answers.append(server.post(body)))
    client.start()
    server.wait_until(lambda: server.metric("vllm:num_requests_running") == 1, 20, "running")
    server.process.send_signal(getattr(signal, image()["STOPSIGNAL"]))
    refused = False
    while client.is_alive() and not refused:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
            connection.request("GET", probes()["readinessProbe"])
            assert connection.getresponse().status in (200, 503)
        except (ConnectionError, http.client.HTTPException):
            refused = client.is_alive()
        time.sleep(0.001)
    client.join()
    assert refused, "the request ended before a connection was refused"
    assert answers[0][0] == 200 and answers[0][1]["usage"]["completion_tokens"] == 1500, answers
    assert server.process.wait(30) == 0


def main():
    files.skip_without(modules=["yaml"])
    assert pathlib.Path(DEMO).exists()
    check_configurations()
    check_image()
    check_compose()
    check_times()
    check_words()
    check_running()
    print("probes, keys, memory, the health check and the end are as the manifests want them")


if __name__ == "__main__":
    main()
