#!/usr/bin/env python3
"""Runs the whole of bench/gpu/run on the emulator: its tables are filled, what is missing is named.

    run_test.py FAKE_GPU_ENGINE
"""
import importlib.machinery
import importlib.util
import pathlib
import re
import subprocess
import sys
import tempfile

RUN = pathlib.Path(__file__).resolve().parent / "run"
INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)


def check_sources():
    """What it builds on a GPU machine is all there is to it: one main, no header of the fakes."""
    loader = importlib.machinery.SourceFileLoader("gpu_run", str(RUN))
    run = importlib.util.module_from_spec(importlib.util.spec_from_loader("gpu_run", loader))
    loader.exec_module(run)
    sources = run.engine_sources()
    folders = [run.ROOT / "src", run.ROOT / "bench", run.ROOT / "tests"]
    mains = [s.name for s in sources if "int main(" in s.read_text()]
    assert mains == ["engine.cpp"], mains
    seen, queue = set(), list(sources)
    while queue:
        source = queue.pop()
        for name in INCLUDE.findall(source.read_text()):
            if name.startswith("simt/"):
                continue  # where CUDA is not
            found = [f / name for f in (source.parent, *folders) if (f / name).exists()]
            assert found, f"{source.name} includes {name}, which is not where the engine looks"
            assert "fake" not in found[0].parts, f"{source.name} includes {name}"
            if found[0] not in seen:
                seen.add(found[0])
                queue.append(found[0])


def main():
    check_sources()
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "results.md"
        done = subprocess.run([sys.executable, RUN, "--engine", sys.argv[1], "--shape", "tiny",
                               "--out", out], capture_output=True, text=True, check=False)
        text = out.read_text()
        assert done.returncode == 0, done.stdout + done.stderr + text
        broken = subprocess.run([sys.executable, RUN, "--engine", "/bin/false", "--shape", "tiny",
                                 "--out", out], capture_output=True, text=True, check=False)
        assert broken.returncode == 1, broken.stdout
    assert "emulated GPU" in text
    for line in ("| read |", "| copy |", "| multiply |", "| add_rms_norm | rows=1 |",
                 "| decode_attention | seqs=4 rows=1 context=64 |", "| sample | rows=1 |",
                 "| decode | seqs=4 context=32 rows=4 |", "| prefill | seqs=1 context=0 rows=32 |",
                 "| tiny128 | 4 ranks | chunks of 1 |",
                 "| tiny128, fp8 KV | 1 ranks | chunks of 1 |",
                 "| tiny128, wgmma prefill | 1 ranks | chunks of 11 |",
                 "| prefill_attention | 7/1 heads of 128 |",
                 "| wgmma_prefill_attention | 7/1 heads of 128 |",
                 "| wgmma_prefill_attention | seqs=1 rows=32 context=512 |",
                 "| tiny, int8 weights | 2 ranks | chunks of 11 |", "| o int8 (own) | rows=1 |",
                 "| decode_attention fp8 | seqs=4 rows=1 context=64 |",
                 "- deterministic; beside 8 other rows: same bits, at most 0.000000 of the largest "
                 "logit apart; token by token: same bits"):
        assert line in text, f"{line!r} is not in\n{text}"
    skipped = text.split("## Skipped")[1].split("##")[0]
    assert "serving: no --troupe was given" in skipped, skipped
    assert text.split("## Failed")[1].split("##")[0].strip() == "- nothing", text


if __name__ == "__main__":
    main()
