"""`troupe quantize`: served, what it writes gives the answers of --quantization on the original.
What it cannot do it says in a sentence, and leaves nothing behind."""
import json
import resource
import subprocess
import tempfile
from pathlib import Path

from same_answer_test import answers, requests
from troupe_server import BINARY, DEMO, PLAIN_ENVIRONMENT, Server


def quantize(*arguments, **options):
    return subprocess.run([BINARY, "quantize", *map(str, arguments)], env=PLAIN_ENVIRONMENT,
                          capture_output=True, text=True, check=False, **options)


def answers_of(*flags, model=DEMO):
    with Server(*flags, model=model) as server:
        facts = json.loads(server.get("/server_info")[1])["model"]
        label = f'device="{facts["device"]}"}} 1'
        assert label in server.get("/metrics")[1], facts
        return answers(server.post_all(requests()[:24], 8)), facts


def check_method(root, method, layout):
    out = root / method
    done = quantize(DEMO, out, "--method", method)
    assert done.returncode == 0 and not done.stderr, done
    assert f"{method} as {layout.upper()}, groups of 128" in done.stdout, done
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        assert (out / name).read_bytes() == (DEMO / name).read_bytes(), name
    config = json.loads((out / "config.json").read_text())
    assert config.pop("quantization_config")["quant_method"] == layout
    assert config == json.loads((DEMO / "config.json").read_text())
    got, facts = answers_of(model=out)
    assert facts["device"] == f"cpu, {method} weights ({layout})", facts
    assert (facts["dtype"], facts["quantization"]) == (method, layout), facts
    expected, facts = answers_of("--quantization", method)
    assert (facts["dtype"], facts["quantization"]) == (method, method), facts
    assert got == expected, [pair for pair in zip(got, expected) if pair[0] != pair[1]][:2]
    plain, facts = answers_of()
    assert facts["quantization"] is None and plain != got, facts
    floats, facts = answers_of("--quantization", "none", model=out)
    assert facts["dtype"] == "bfloat16" and floats != plain, facts
    again = quantize(out, root / "again")
    assert again.returncode == 1 and "quantised already" in again.stderr, again
    return (out / "model.safetensors").stat().st_size


def check_threads(root):
    """The file does not depend on who computed which row."""
    for threads in (1, 3):
        assert quantize(DEMO, root / f"t{threads}", "--threads", threads).returncode == 0
    files = [(root / name / "model.safetensors").read_bytes() for name in ("t1", "t3", "int4")]
    assert files[0] == files[1] == files[2]


def copy_of_demo(root, name, **config):
    directory = root / name
    directory.mkdir()
    for file in DEMO.iterdir():
        (directory / file.name).write_bytes(file.read_bytes())
    path = directory / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **config}))
    return directory


def refused(root, expected, *arguments, **options):
    before = sorted(path.name for path in root.iterdir())
    done = quantize(*arguments, **options)
    assert done.returncode == 1 and not done.stdout, done
    assert expected in done.stderr and done.stderr.count("\n") == 1, done
    assert sorted(path.name for path in root.iterdir()) == before, "something was left behind"


def limit_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))


def check_refusals(root):
    new = root / "new"
    refused(root, "exists already", DEMO, root / "int4")
    refused(root, "exists already", DEMO, DEMO)
    refused(root, "config.json", root, new)
    refused(root, "cannot be made: No such file or directory", DEMO, root / "missing" / "new")
    wide = copy_of_demo(root, "wide", num_hidden_layers=5)
    refused(root, "model.layers.4.input_layernorm.weight of shape [256] is missing", wide, new)
    broken = copy_of_demo(root, "broken")
    data = bytearray((broken / "model.safetensors").read_bytes())
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    name = "model.layers.2.mlp.up_proj.weight"
    at = 8 + length + header[name]["data_offsets"][0] + 2000
    data[at:at + 2] = b"\x80\x7f"
    (broken / "model.safetensors").write_bytes(data)
    refused(root, f"tensor {name} holds a number that is not finite", broken, new)
    # Python ignores SIGXFSZ, and so does its child: writing fails as on a full disk.
    refused(root, "model.safetensors cannot be written: File too large", DEMO, new,
            preexec_fn=limit_files, restore_signals=False)
    wrong = quantize(DEMO, new, "--method", "int3")
    assert wrong.returncode == 2 and "expected one of {int4,int8}" in wrong.stderr, wrong
    listed = quantize("--help")
    assert "MODEL_DIR" in listed.stdout and "AWQ's layout" in listed.stdout, listed


def main():
    with tempfile.TemporaryDirectory() as where:
        root = Path(where)
        small = check_method(root, "int4", "awq")
        large = check_method(root, "int8", "gptq")
        original = (DEMO / "model.safetensors").stat().st_size
        assert small < large < original, (small, large, original)
        check_threads(root)
        check_refusals(root)
        print(f"checkpoints of {small} and {large} bytes answer as --quantization on {original}")


if __name__ == "__main__":
    main()
