"""The container file, without a runtime: what it copies is there, what it installs is enough.

image_in_chroot.py runs its steps; that takes a network and root.
"""
import pathlib
import re
import subprocess

import containerfile
import files
from files import DEPLOY, ROOT
from troupe_server import BINARY

FILE = DEPLOY / "Containerfile"


def packages(path, purpose):
    return {line.split()[0] for line in path.read_text().splitlines()
            if not line.startswith("#") and line.split()[1] == purpose}


def check_stages():
    for device in ("cpu", "cuda"):
        stages = containerfile.read(FILE, DEVICE=device, CUDA_IMAGE="some/cuda")
        order = containerfile.needs(stages)
        assert ("toolkit" in order) == (device == "cuda"), order
        settings = containerfile.settings(stages)
        user, group = settings["USER"].split(":")
        assert int(user) > 1000 and int(group) > 1000, settings["USER"]
        assert settings["HEALTHCHECK flags"].keys() >= {"interval", "timeout", "start-period"}
        outside = {stages[name].base for name in order} - set(stages)
        assert outside == {"debian:bookworm-slim"} | ({"some/cuda"} if device == "cuda" else set())
        check_copies(stages, order)
    pod = files.manifest("Deployment")["spec"]["template"]["spec"]["securityContext"]
    assert f"{pod['runAsUser']}:{pod['runAsGroup']}" == settings["USER"]
    trixie = containerfile.read(FILE, DEBIAN="trixie")
    assert trixie["build-cpu"].base == trixie["runtime-cpu"].base == "debian:trixie-slim"


def check_copies(stages, order):
    inside = set(containerfile.context(ROOT))
    for name in order:
        for argument in stages[name].values("COPY"):
            words = argument.split()
            if words[0].startswith("--from="):
                assert words[0][7:] in stages, argument
                continue
            for source in words[:-1]:
                path = pathlib.Path(source)
                assert source == "." or path in inside or any(
                    path in each.parents for each in inside), f"{argument}: not in the context"


def check_context():
    """What the build reads is in the context; what a machine leaves behind is not."""
    inside = {str(path) for path in containerfile.context(ROOT)}
    for name in ("dev", "meson.build", "src/main.cpp", "web/meson.build", "tools/embed.py",
                 "models/demo/model.safetensors", "subprojects/caf.wrap"):
        assert name in inside, name
    # A system that runs the tests need not have git, nor the sources be a checkout.
    made = {name for name in inside if pathlib.PurePath(name).suffix in (".pyc", ".o", ".a")}
    assert not made, made
    for path in ROOT.glob("src/**/meson.build"):
        assert str(path.relative_to(ROOT)) in inside, path
    print(f"{len(inside)} files are sent to whoever builds an image")


def check_libraries():
    """The packages of the list are those of the libraries that the program names, no more."""
    system = dict(re.findall(r'^(ID|VERSION_ID)="?([^"\n]*)"?$',
                             pathlib.Path("/etc/os-release").read_text(), re.M))
    listed = ROOT / f"tools/packages/{system.get('ID')}-{system.get('VERSION_ID')}.txt"
    if not listed.exists():
        print(f"not checked: no list for {system}")
        return
    found = subprocess.run(["ldd", BINARY], capture_output=True, text=True, check=True).stdout
    where = dict(re.findall(r"(\S+) => (/\S+)", found))
    headers = subprocess.run(["readelf", "-d", BINARY], capture_output=True, text=True,
                             check=True).stdout
    needed = set(re.findall(r"\(NEEDED\).*\[(.+)\]", headers)) & set(where)
    if not any(name.startswith("libcaf_core.") for name in needed):
        print("not checked: the program was built with libraries of its own")
        return
    # A sanitizer's runtime is for tests; glibc and libgcc are in every Debian.
    needed = {name for name in needed if not re.match(r"lib([aut]san|ubsan|c|m|gcc_s)\.", name)}
    owners = {package_of(where[name]): name for name in needed}
    wanted = packages(listed, "run")
    assert set(owners) == wanted, (
        f"{listed.name}: lacks {set(owners) - wanted}, has too many: {wanted - set(owners)}")
    print(f"{len(wanted)} packages have the {len(needed)} libraries that the program names")


def package_of(path):
    """dpkg knows a file by the path that it was packed with: with /usr in front, or without."""
    real = pathlib.Path(path).resolve()
    for each in (str(real), path, str(real).removeprefix("/usr"), path.removeprefix("/usr")):
        found = subprocess.run(["dpkg", "-S", each], capture_output=True, text=True)
        if found.returncode == 0:
            return found.stdout.split(":")[0]
    raise AssertionError(f"{path} is of no package")


def check_lists():
    """Both systems name the same libraries, whatever their packages are called there."""
    def stems(name):
        return sorted(re.sub(r"[\d.]*(t64)?$", "", package)
                      for package in packages(ROOT / f"tools/packages/{name}.txt", "run"))
    assert stems("debian-12") == stems("debian-13"), (stems("debian-12"), stems("debian-13"))


def check_cuda():
    """The CUDA image carries the libraries that the program opens, where it looks."""
    text = FILE.read_text()
    sources = {name: (ROOT / "src/cuda" / name).read_text()
               for name in ("cublas_api.cpp", "nccl_api.cpp", "shared_library.cpp")}
    assert '"libcublasLt.so."' in sources["cublas_api.cpp"] and "libcublasLt.so." in text
    assert '"libnccl.so.2"' in sources["nccl_api.cpp"] and "-name libnccl.so.2 " in text
    (target,) = re.findall(r"COPY --from=toolkit /toolkit/libraries (\S+)", text)
    assert target == "/usr/local/cuda/lib64" and "/usr/local/cuda" in sources["shared_library.cpp"]
    assert "-Dcuda=enabled" in text


def main():
    files.skip_without(modules=["yaml"], programs=["dpkg", "readelf", "ldd"])
    check_stages()
    check_context()
    check_libraries()
    check_lists()
    check_cuda()


if __name__ == "__main__":
    main()
