"""Model directories made to hurt: each ends `troupe serve` with one line and status 1, in little
time and memory, whatever is wrong with it (docs/attacks.md, 53 and 54)."""
import json
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import time

from attack_watch import PATIENCE
from troupe_server import BINARY, DEMO, PLAIN_ENVIRONMENT

MAX_SECONDS = 20 * PATIENCE
MAX_BYTES = 1 << 30  # of address space that a refusal may touch, far below what the files claim


def safetensors(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(shape, begin, end, dtype="BF16"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def demo_header():
    raw = (DEMO / "model.safetensors").read_bytes()
    length, = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8:8 + length]), raw[8 + length:]


def changed(name, **members):
    """The demo's weights with one tensor described otherwise."""
    header, data = demo_header()
    header[name] = {**header[name], **members}
    return safetensors(header, data)


NORM = "model.norm.weight"
MANY = {f"t{i}": tensor([0], 0, 0) for i in range(100_000)}
WEIGHTS = {
    "empty": b"",
    "seven bytes": b"1234567",
    "a header of 2^63": safetensors(b"{}", length=1 << 63),
    "a header of 2^64 - 1": safetensors(b"{}", length=(1 << 64) - 1),
    "a header of 2^64 - 8": safetensors(b"{}", length=(1 << 64) - 8),
    "a header of 200 MB": safetensors(b"{}", length=200_000_000),
    "a header of no bytes": safetensors(b"{}", length=0),
    "a header of one byte": safetensors(b"{", length=1),
    "a header that is a list": safetensors(b"[]"),
    "a header behind a blank": safetensors(b" {}"),
    "a header that is no UTF-8": safetensors(b'{"\xff": 1}'),
    "a header that ends early": safetensors(b'{"a": {"dtype": '),
    "a header of 100,000 brackets": safetensors(b'{"a": ' + b"[" * 100_000),
    "names that stand twice": safetensors(
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},'
        b'"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', bytes(8)),
    "reversed offsets": safetensors({"a": tensor([1], 2, 0)}, bytes(2)),
    "negative offsets": safetensors({"a": tensor([1], -2, 0)}, bytes(2)),
    "overlapping tensors": safetensors({"a": tensor([2], 0, 4), "b": tensor([2], 2, 6)}, bytes(6)),
    "a hole": safetensors({"a": tensor([1], 0, 2), "b": tensor([1], 4, 6)}, bytes(6)),
    "offsets past the end": safetensors({"a": tensor([4], 0, 8)}, bytes(4)),
    "offsets of 2^64": safetensors(
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[18446744073709551616,4]}}', bytes(4)),
    "a shape of other bytes": safetensors({"a": tensor([3], 0, 4)}, bytes(4)),
    "a product that overflows to four": safetensors(
        {"a": tensor([4194305, 4194305, 211106198978564], 0, 4)}, bytes(4)),
    "a product that overflows to none": safetensors({"a": tensor([1 << 32, 1 << 32], 0, 0)}),
    "a product of none and much": safetensors({"a": tensor([0, 1 << 62, 1 << 62], 0, 0)}),
    "100,000 entries": safetensors(MANY),
    "a dtype that nobody has": safetensors({"a": tensor([1], 0, 2, "F" * 100_000)}, bytes(2)),
    "bytes behind the last tensor": safetensors({"a": tensor([1], 0, 2)}, bytes(100)),
    "no tensors": safetensors({}),
    "tensors of no size": safetensors({"model.norm.weight": tensor([0], 0, 0)}),
    "a norm of another shape": changed(NORM, shape=[128, 2]),
    "metadata that is a number": safetensors({"__metadata__": {"format": 1}}),
}
INDEXES = {
    "an index that leads out": {"weight_map": {"a": "../../etc/passwd"}},
    "an index of a device": {"weight_map": {"a": "/dev/zero.safetensors"}},
    "an index of 10,000 files": {"weight_map": {f"t{i}": f"{i}.safetensors"
                                                for i in range(10_000)}},
    "an index without a map": {"weight_map": []},
    "an index that is empty": b"",
}
CONFIGS = {
    "hidden_size 0": {"hidden_size": 0}, "hidden_size -1": {"hidden_size": -1},
    "hidden_size 2^31": {"hidden_size": 1 << 31}, "hidden_size 2^63": {"hidden_size": 1 << 63},
    "hidden_size 1e30": {"hidden_size": 1e30}, "a hidden_size that is a text": {"hidden_size": "9"},
    "the largest of all": {"hidden_size": 1 << 20, "intermediate_size": 1 << 22,
                           "num_hidden_layers": 1024, "vocab_size": 1 << 22,
                           "num_attention_heads": 1024, "num_key_value_heads": 1024},
    "a layer too many": {"num_hidden_layers": 5}, "10^6 layers": {"num_hidden_layers": 10**6},
    "three heads of keys": {"num_key_value_heads": 3}, "no heads": {"num_attention_heads": 0},
    "an odd head_dim": {"head_dim": 63}, "a head_dim of 2^31": {"head_dim": 1 << 31},
    "a vocabulary of 2^31": {"vocab_size": 1 << 31}, "a vocabulary of 1": {"vocab_size": 1},
    "a context of 2^40": {"max_position_embeddings": 1 << 40},
    "an epsilon of 0": {"rms_norm_eps": 0}, "a theta of 0": {"rope_theta": 0},
    "another model": {"model_type": "llama"}, "YaRN of 0": {"rope_scaling": {"type": "yarn",
                                                                            "factor": 0}},
    "YaRN beyond all": {"rope_scaling": {"type": "yarn", "factor": 1e300}},
    "groups of 0": {"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 0}},
    "an eos of -1": {"eos_token_id": -1},
}
RAW = {
    "config.json": [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"a":1,"a":2}', b" " * (2 << 20)],
    "generation_config.json": [b"", b"[]", b'{"temperature": -1}', b'{"eos_token_id": [-1]}',
                               b'{"eos_token_id": [99999999999]}', b'{"top_p": 1e999}'],
    "tokenizer.json": [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"model": {}}',
                       b'{"model": {"type": "BPE", "vocab": {}, "merges": []}}'],
    "tokenizer_config.json": [b"[" * 100_000, b"\xff", b'{"added_tokens_decoder": []}',
                              b'{"added_tokens_decoder": {"-5": {"content": "x"}}}',
                              b'{"added_tokens_decoder": {"99999999999999999999": '
                              b'{"content": "x"}}}'],
}
TOKENIZERS = {
    "an id of -1": lambda t: t["model"]["vocab"].update(zz=-1),
    "an id of 2^31": lambda t: t["model"]["vocab"].update(zz=1 << 31),
    "an id of 2^24 - 1": lambda t: t["model"]["vocab"].update(zz=(1 << 24) - 1),
    "an id of 1.5": lambda t: t["model"]["vocab"].update(zz=1.5),
    "an id twice": lambda t: t["model"]["vocab"].update(zz=5),
    "no byte 0": lambda t: t["model"]["vocab"].pop("\u0100"),
    "a merge of strangers": lambda t: t["model"]["merges"].append(["never", "seen"]),
    "a merge of one": lambda t: t["model"]["merges"].append("alone"),
    "merges that are a number": lambda t: t["model"].update(merges=5),
    "100,000 merges of nothing": lambda t: t["model"].update(merges=[["", ""]] * 100_000),
    "an added token of 2^40": lambda t: t["added_tokens"].append(
        {"id": 1 << 40, "content": "x", "special": True}),
    "an added token without a text": lambda t: t["added_tokens"].append(
        {"id": 4090, "content": ""}),
    "a pattern of its own": lambda t: t["pre_tokenizer"]["pretokenizers"][0].update(
        pattern={"Regex": "(a+)+$"}),
    "a template that computes": None,
}


class Directory:
    """A copy of the demo model, in which files can be replaced."""

    def __init__(self, root):
        self.path = pathlib.Path(tempfile.mkdtemp(dir=root))
        for file in DEMO.iterdir():
            (self.path / file.name).symlink_to(file)

    def write(self, name, data):
        file = self.path / name
        file.unlink(missing_ok=True)
        file.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())

    def change(self, name, **members):
        self.write(name, {**json.loads((DEMO / name).read_text()), **members})


def limit_memory():
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def serve(directory, *flags):
    """Status, what it said of the error, its peak of resident bytes."""
    command = [BINARY, "serve", str(directory.path), "--port", "0", "--max-model-len", "64",
               "--num-gpu-blocks-override", "64", *flags]
    log = directory.path / "log"
    with open(log, "wb") as errors:
        child = subprocess.Popen(command, env=PLAIN_ENVIRONMENT, stdout=subprocess.DEVNULL,
                                 stderr=errors, preexec_fn=limit_memory)
    deadline = time.monotonic() + MAX_SECONDS
    while time.monotonic() < deadline and "listening on" not in log.read_text():
        pid, code, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            child.returncode = os.waitstatus_to_exitcode(code)
            return child.returncode, log.read_text(), usage.ru_maxrss * 1024
        time.sleep(0.005)
    child.kill()
    child.wait()
    raise AssertionError(f"it serves, or hangs: {log.read_text()}")


def check_refused(what, directory, *flags):
    status, text, peak = serve(directory, *flags)
    said = [line for line in text.splitlines() if not re.match(r"\[\d{4}-", line)]
    assert status == 1, (what, status, text[-2000:])
    assert len(said) == 1 and said[0].startswith("troupe: "), (what, said)
    assert 20 < len(said[0]) < 1000 and said[0].isprintable(), (what, said)
    assert peak < MAX_BYTES, f"{what}: {peak >> 20} MiB"
    return 1


def check_weights(root):
    num = 0
    for what, data in WEIGHTS.items():
        directory = Directory(root)
        directory.write("model.safetensors", data)
        num += check_refused(what, directory)
    for what, data in INDEXES.items():
        directory = Directory(root)
        (directory.path / "model.safetensors").unlink()
        directory.write("model.safetensors.index.json", data)
        num += check_refused(what, directory)
    return num


def check_no_file(root):
    """What is no regular file is not read: a pipe would hold the reader for ever."""
    num = 0
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        for make in (os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path),
                     lambda path: os.symlink(path, path)):
            directory = Directory(root)
            (directory.path / name).unlink()
            make(directory.path / name)
            num += check_refused(f"{name} is no file", directory)
    return num


def check_configs(root):
    num = 0
    for what, members in CONFIGS.items():
        directory = Directory(root)
        directory.change("config.json", **members)
        if "eos" in what:
            directory.write("generation_config.json", {})
        num += check_refused(what, directory)
    for name, texts in RAW.items():
        for data in texts:
            directory = Directory(root)
            directory.write(name, data)
            num += check_refused(f"{name}: {data[:60]}", directory)
    return num


def check_tokenizers(root):
    num = 0
    for what, change in TOKENIZERS.items():
        directory = Directory(root)
        if change is None:
            # Not executed: a model without Qwen2.5's template has no chat, and serves the rest.
            directory.change("tokenizer_config.json", chat_template="{{ ''.__class__ }}" * 1000)
            directory.write("model.safetensors", b"")
        else:
            words = json.loads((DEMO / "tokenizer.json").read_text())
            change(words)
            directory.write("tokenizer.json", words)
        num += check_refused(what, directory)
    return num


def check_cut_file(root):
    """A file that becomes shorter while it is read: one line and status 1, no signal."""
    num_seen, num_tries = 0, 0
    while num_seen < 3 and num_tries < 60:
        num_tries += 1
        directory = Directory(root)
        file = directory.path / "model.safetensors"
        file.unlink()
        shutil.copy(DEMO / "model.safetensors", file)
        command = [BINARY, "serve", str(directory.path), "--port", "0", "--max-model-len", "64",
                   "--num-gpu-blocks-override", "64"]
        child = subprocess.Popen(command, env=PLAIN_ENVIRONMENT, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE, text=True)
        # Somewhere between the mapping of the file and the last of its bytes.
        deadline = time.monotonic() + MAX_SECONDS
        while time.monotonic() < deadline and child.poll() is None:
            if "model.safetensors" in pathlib.Path(f"/proc/{child.pid}/maps").read_text():
                child.send_signal(signal.SIGSTOP)
                os.truncate(file, 4096)
                child.send_signal(signal.SIGCONT)
                break
        try:
            _, text = child.communicate(timeout=2 * PATIENCE)
        except subprocess.TimeoutExpired:  # it had read all of it: it serves
            child.send_signal(signal.SIGTERM)
            child.communicate(timeout=40 * PATIENCE)
            assert child.returncode == 0, child.returncode
            continue
        said = [line for line in text.splitlines() if not re.match(r"\[\d{4}-", line)]
        assert child.returncode == 1 and len(said) == 1, (child.returncode, text)
        num_seen += "became shorter" in said[0]
    assert num_seen > 0, "no file was cut while it was read"
    return num_tries


def main():
    with tempfile.TemporaryDirectory() as root:
        num = check_weights(root)
        num += check_no_file(root)
        num += check_configs(root)
        num += check_tokenizers(root)
        print(f"{num} model directories refused, each in one line")
        print(f"a file was cut while it was read, in {check_cut_file(root)} tries")


if __name__ == "__main__":
    main()
