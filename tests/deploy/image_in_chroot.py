#!/usr/bin/env python3
"""Runs deploy/Containerfile's steps where there is no container runtime: stages are folders.

    tests/deploy/image_in_chroot.py BASE FOLDER [--arg NAME=VALUE] [--program FILE] [--cuda FOLDER]

BASE is a bare Debian as `debootstrap --variant=minbase` makes it and is only read; FOLDER must not
exist and gets a folder for each stage. Nothing is removed, nothing but /proc and /dev is mounted.
--program takes the place of what `./dev install` would compile. As root. At the end the image
serves, as its user and with a root that cannot be written, and is asked.
"""
import argparse
import json
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import containerfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def say(text):
    print(f"--- {text}", flush=True)


class Chroot:
    """A folder as a root, with /proc and /dev while it is used."""

    def __init__(self, folder):
        self.folder = folder

    def __enter__(self):
        (self.folder / "proc").mkdir(exist_ok=True)
        run(["mount", "-t", "proc", "proc", self.folder / "proc"])
        run(["mount", "--rbind", "/dev", self.folder / "dev"])
        run(["mount", "--make-rslave", self.folder / "dev"])
        return self

    def __exit__(self, *_):
        for name in ("dev", "proc"):
            run(["umount", "-R", "-l", self.folder / name])
        # Through a forgotten mount, `rm -r` of the folder would empty what is behind it.
        mounts = [line.split()[4] for line in pathlib.Path("/proc/self/mountinfo").read_text()
                  .splitlines()]
        left = [each for each in mounts if self.folder in pathlib.Path(each).parents]
        assert not left, f"still mounted: {left}"

    def run(self, command, environment, workdir):
        shell = f"cd {workdir} && {command}"
        run(["chroot", self.folder, "/bin/sh", "-ec", shell], env={"PATH": PATH} | environment)


def run(command, **options):
    subprocess.run([str(word) for word in command], check=True, **options)


def copy(stages, stage, argument, workdir, folders):
    words = argument.split()
    source_root, names = ROOT, words
    if words[0].startswith("--from="):
        source_root, names = folders[words[0][7:]], words[1:]
    *names, target = names
    target = folders[stage.name] / str(pathlib.PurePosixPath(workdir) / target).lstrip("/")
    for name in names:
        if source_root != ROOT:
            target.mkdir(parents=True, exist_ok=True)
            run(["cp", "-a", f"{source_root}/{name.lstrip('/')}/.", target])
            continue
        source = pathlib.Path(name)
        wanted = [path for path in containerfile.context(ROOT)
                  if name == "." or path == source or source in path.parents]
        assert wanted, f"COPY {name}: .dockerignore leaves nothing of it"
        for path in wanted:
            inner = path if name == "." else path.relative_to(name)
            out = target / inner if str(inner) != "." else target
            out.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, out)


def place_program(folder, program):
    """What `./dev install /image` leaves, of a program that was built elsewhere."""
    local = folder / "image/usr/local"
    (local / "bin").mkdir(parents=True)
    run(["strip", "-o", local / "bin/troupe", program])
    shutil.copytree(ROOT / "models/demo", local / "share/troupe/models/demo")


def build(stages, name, folders, options):
    stage, folder = stages[name], folders[name]
    run(["cp", "-a", folders.get(stage.base, options.base), folder])
    if stage.base not in folders:  # a bare system: what this machine needs to reach packages
        shutil.copy("/etc/resolv.conf", folder / "etc/resolv.conf")
        run(["cp", "-a", "/etc/apt/apt.conf.d/.", folder / "etc/apt/apt.conf.d"])
    environment = dict(containerfile.settings(stages, name)["ENV"])
    workdir = "/"
    for each in containerfile.lineage(stages, name):
        workdir = (each.values("WORKDIR") or [workdir])[-1]
    with Chroot(folder) as root:
        if stage.base == stages[name].arguments.get("CUDA_IMAGE"):
            # A copy: of what is mounted here, whoever removes FOLDER would remove the original.
            run(["cp", "-a", f"{options.cuda.resolve()}/.", folder / "usr/local/cuda"])
        for word, argument in stage.steps:
            say(f"{name or 'image'}: {word} {argument[:90]}")
            if word == "ARG":
                environment |= dict([argument.split("=", 1)])
            elif word == "WORKDIR":
                (folder / argument.lstrip("/")).mkdir(parents=True, exist_ok=True)
            elif word == "COPY":
                copy(stages, stage, argument, workdir, folders)
            elif word == "RUN" and "./dev install" in argument and options.program:
                place_program(folder, options.program)
            elif word == "RUN":
                root.run(argument, environment, workdir)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def within(folder, settings, command, **extra):
    """A command in the image: its user, its environment, nothing that can be written."""
    user, group = settings["USER"].split(":")
    inner = (f'mount --rbind "{folder}" "{folder}" && mount -o remount,bind,ro "{folder}" && '
             f'mount -t proc proc "{folder}/proc" && mount --bind /dev "{folder}/dev" && '
             f'exec chroot --userspec={user}:{group} --groups= "{folder}" "$@"')
    return subprocess.Popen(["unshare", "-m", "bash", "-ec", inner, "bash", *command],
                            env={"PATH": PATH} | settings["ENV"] | extra)


def serve(folder, settings):
    port = free_port()
    server = within(folder, settings, settings["ENTRYPOINT"] + settings["CMD"], TROUPE_PORT=port)
    check = settings["HEALTHCHECK"]
    try:
        deadline = time.monotonic() + 60
        while within(folder, settings, check, TROUPE_PORT=port).wait() != 0:
            assert server.poll() is None and time.monotonic() < deadline, "never became ready"
            time.sleep(0.5)
        say("the health check says ready")
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/generate", b'{"prompt": "Once", "max_tokens": 8}',
            {"Content-Type": "application/json"})
        answer = json.load(urllib.request.urlopen(request, timeout=60))
        say(f"answers {answer['usage']['completion_tokens']} tokens")
        assert within(folder, settings, ["touch", "/var/tmp/x"]).wait() != 0, "can be written"
        uid = pathlib.Path(f"/proc/{server.pid}/status").read_text().split("Uid:")[1].split()[0]
        assert uid == settings["USER"].split(":")[0], f"runs as {uid}"
    finally:
        server.send_signal(signal.SIGTERM)
        status = server.wait(60)
    assert status == 0, f"exit status {status} after SIGTERM"
    assert within(folder, settings, check, TROUPE_PORT=port).wait() == 1, "ready without a server"
    say("ended with status 0 after SIGTERM; the health check notices")


def megabytes(folder):
    return int(subprocess.check_output(["du", "-smx", folder]).split()[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--arg", action="append", default=[], help="a build argument, NAME=VALUE")
    parser.add_argument("--program", help="a troupe that was built for this suite")
    parser.add_argument("--cuda", type=pathlib.Path, help="a folder with CUDA, for CUDA_IMAGE")
    options = parser.parse_args()
    given = dict(pair.split("=", 1) for pair in options.arg)
    stages = containerfile.read(ROOT / "deploy/Containerfile", **given)
    order = containerfile.needs(stages)
    options.folder.mkdir(parents=True)  # a new one: nothing is removed here
    folders = {name: options.folder.resolve() / (name or "image") for name in order}
    for name in order:
        build(stages, name, folders, options)
    settings = containerfile.settings(stages)
    if "TROUPE_DEVICE" in settings["ENV"]:
        say("serves with --device auto: cuda refuses to start where there is no GPU")
        settings["ENV"]["TROUPE_DEVICE"] = "auto"
    serve(folders[""], settings)
    say(f"the image has {megabytes(folders[''])} MB, of these {megabytes(options.base)} the base")


if __name__ == "__main__":
    sys.exit(main())
