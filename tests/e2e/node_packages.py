"""The npm packages that node/package-lock.json pins, installed into the build folder."""
import os
import pathlib
import shutil
import subprocess

from troupe_server import ROOT

SCRIPTS = pathlib.Path(__file__).resolve().parent / "node"
# Nothing is installed into the sources.
MODULES = pathlib.Path(os.environ.get("TROUPE_NODE_MODULES", ROOT / "build" / "e2e-node"))
SKIPPED = 77  # what meson takes for "skipped"


def install():
    """Installs them once. Why that cannot be, or nothing."""
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            return f"there is no {tool} (Debian's nodejs, npm)"
    MODULES.mkdir(parents=True, exist_ok=True)
    names = ("package.json", "package-lock.json")
    wanted = [(SCRIPTS / name).read_bytes() for name in names]
    done = MODULES / "installed"
    if done.exists() and done.read_bytes() == b"".join(wanted):
        return None
    for name, text in zip(names, wanted):
        (MODULES / name).write_bytes(text)
    ran = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=MODULES,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if ran.returncode != 0:
        return "npm ci did not work here:\n" + ran.stdout[-2000:]
    done.write_bytes(b"".join(wanted))
    return None
