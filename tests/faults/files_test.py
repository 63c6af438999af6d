"""The model's files are cut, overwritten and removed while it serves: answers stay what they were,
because weights are copied at load. Files that are broken before are refused in one line."""
import pathlib
import shutil
import subprocess
import tempfile

from ledger import Ledger
from troupe_server import BINARY, DEMO, PLAIN_ENVIRONMENT, Server

JOB = {"prompt": "Tell me a story.", "max_tokens": 120, "temperature": 0, "ignore_eos": True}
FLAGS = ((), ("--dtype", "float32"), ("--quantization", "int8"))


def weights_of(model):
    return sorted(model.glob("*.safetensors"))


def disturb(model):
    """The worst for whoever would still read them: pages vanish, and others have other bytes."""
    for path in weights_of(model):
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.write(b"\xff" * (size // 2))
            file.truncate(size // 3)
            file.truncate(0)
    for path in model.iterdir():
        path.unlink()


def refusal(model):
    done = subprocess.run([BINARY, "serve", str(model), "--port", "0"], env=PLAIN_ENVIRONMENT,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    lines = [line for line in done.stderr.splitlines() if line.startswith("troupe: ")]
    assert done.returncode == 1 and len(lines) == 1, (done.returncode, done.stderr)
    return lines[0]


def main():
    with tempfile.TemporaryDirectory() as folder:
        for number, flags in enumerate(FLAGS):
            model = pathlib.Path(folder) / str(number)
            shutil.copytree(DEMO, model)
            with Server(*flags, model=model) as server:
                ledger = Ledger(server)
                before = ledger.ask(JOB)
                disturb(model)
                after = [ledger.ask({**JOB, "stream": i % 2 == 0}) for i in range(4)]
                assert all(r.end == "finished" and r.text == before.text for r in after)
                ledger.check()
        for number, share in enumerate((0.0, 0.3, 0.999)):
            model = pathlib.Path(folder) / f"cut-{number}"
            shutil.copytree(DEMO, model)
            path = weights_of(model)[-1]
            with path.open("r+b") as file:
                file.truncate(int(path.stat().st_size * share))
            assert "safetensors" in refusal(model), refusal(model)
    print(f"files: cut, overwritten and removed under {len(FLAGS)} servers, same text; 3 that were "
          "cut before are refused")


if __name__ == "__main__":
    main()
