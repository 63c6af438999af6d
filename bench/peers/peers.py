#!/usr/bin/env python3
"""Troupe and llama.cpp's server side by side: the same weights, the same requests, in one run.

    sudo bench/peers/peers.py --tokenizer DIR [--work DIR] [--format bf16|q8_0|q4_0] [--rounds 5]
                              [--concurrency 1,4,8,16,32] [--troupe=FLAGS]
                              [--cases prefill,decode,load]

Installs llama.cpp from Debian testing into WORK/root (llama_root.sh), makes a model of
Qwen2.5-0.5B's shape with random weights (make_model.py) or takes --model DIR, converts it (gguf.py;
q8_0 and q4_0 with llama-quantize), starts both servers and measures them in turns, in every round
both; whoever is not measured is stopped (SIGSTOP). Everything streams and ignores the end token.
Prints the medians of the rounds and the medians of the rounds' ratios. Takes a quarter of an hour a
format; the machine should have nothing else to do.
"""
import argparse
import asyncio
import contextlib
import json
import os
import pathlib
import random
import shlex
import signal
import statistics
import subprocess
import sys
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests" / "e2e")]
from gguf import write_gguf  # noqa: E402
from make_model import make_model  # noqa: E402
from troupe_server import Server  # noqa: E402

LLAMA_PORT = 18311


class Rival:
    """How one server is asked: its port, its process, and its words for the same request."""

    def __init__(self, name, port, pid, path, words):
        self.name, self.port, self.pid, self.path, self.words = name, port, pid, path, words

    def body(self, request):
        return json.dumps({self.words.get(key, key): value for key, value in request.items()} |
                          self.words.get("also", {})).encode()

    @contextlib.contextmanager
    def awake(self):
        os.kill(self.pid, signal.SIGCONT)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGSTOP)


LLAMA_WORDS = {"max_tokens": "n_predict", "also": {"cache_prompt": False}}


async def ask(rival, request):
    """Seconds to the first token, from it to the last, and the text; raises if refused."""
    data = rival.body(request)
    start = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", rival.port)
    writer.write(b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
                 b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                 % (rival.path.encode(), len(data), data))
    status = int((await reader.readline()).split()[1])
    first = last = None
    while line := await reader.readline():
        if line.startswith(b"data: {"):
            last = time.perf_counter()
            first = first or last
    writer.close()
    if status != 200 or first is None:
        raise RuntimeError(f"{rival.name}: status {status}")
    return first - start, last - first


async def ask_all(rival, requests, concurrency):
    """Closed loop. Seconds for all, and the times of each."""
    waiting, times = iter(requests), []

    async def client():
        for request in waiting:
            times.append(await ask(rival, request))
    start = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(concurrency)))
    return time.perf_counter() - start, times


def make_requests(path, seed=0):
    """The request file: by case, token ids of the same length, each another text."""
    chance = random.Random(seed)

    def requests(count, num_prompt, num_answer):
        return [{"prompt": [chance.randrange(1000, 100000) for _ in range(num_prompt)],
                 "max_tokens": num_answer, "temperature": 0, "stream": True, "ignore_eos": True}
                for _ in range(count)]
    cases = {"prefill 512": requests(3, 512, 1), "prefill 2048": requests(2, 2048, 1),
             "decode": requests(2, 128, 96), "load": requests(512, 128, 64)}
    path.write_text("".join(json.dumps({"case": name, **request}) + "\n"
                            for name, all_ in cases.items() for request in all_))
    return cases


def measure(rival, cases, arguments):
    """Every number of one round: the larger, the better, but TTFT."""
    numbers = {}
    run = lambda requests, c: asyncio.run(ask_all(rival, requests, c))  # noqa: E731
    with rival.awake():
        if "prefill" in arguments.cases:
            for length in (512, 2048):
                times = run(cases[f"prefill {length}"], 1)[1]
                seconds = statistics.median(t[0] for t in times)
                numbers[f"prefill {length}, tok/s"] = length / seconds
        if "decode" in arguments.cases:
            requests = cases["decode"]
            times = run(requests, 1)[1]
            numbers["decode, tok/s"] = (requests[0]["max_tokens"] - 1) / statistics.median(
                t[1] for t in times)
        for c in arguments.concurrency if "load" in arguments.cases else []:
            requests = cases["load"][:max(2 * c, 4)]
            seconds, times = run(requests, c)
            numbers[f"c = {c}, tok/s"] = len(requests) * requests[0]["max_tokens"] / seconds
            numbers[f"c = {c}, mean TTFT ms"] = 1e3 * statistics.mean(t[0] for t in times)
    return numbers


def prepare(arguments):
    """The chroot, the model as both want it."""
    work = pathlib.Path(arguments.work)
    work.mkdir(parents=True, exist_ok=True)
    root = work / "root"
    subprocess.run([HERE / "llama_root.sh", root], check=True)
    model = pathlib.Path(arguments.model) if arguments.model else work / "model"
    if not (model / "config.json").exists():
        make_model(arguments.tokenizer, model)
    plain = f"{model.resolve().name}-bf16.gguf"
    if not (root / plain).exists():
        write_gguf(model, root / plain)
    wanted = f"{model.resolve().name}-{arguments.format}.gguf"
    if not (root / wanted).exists():
        subprocess.run([HERE / "llama_root.sh", root, "llama-quantize", "--pure", "/" + plain,
                        "/" + wanted, arguments.format.upper()],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return root, model, wanted


@contextlib.contextmanager
def llama_server(root, gguf, arguments):
    slots = max(arguments.concurrency)
    command = [HERE / "llama_root.sh", root, "llama-server", "-m", "/" + gguf, "-t",
               str(arguments.threads), "--parallel", str(slots), "-c", str(max(4096, 256 * slots)),
               "--kv-unified", "-fa", "on", "--host", "127.0.0.1", "--port", str(LLAMA_PORT)]
    with open(pathlib.Path(arguments.work) / "llama.log", "w", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                if urllib.request.urlopen(f"http://127.0.0.1:{LLAMA_PORT}/health").status == 200:
                    break
            if process.poll() is not None:
                raise SystemExit(f"llama-server did not start: see {log.name}")
            time.sleep(0.1)
        yield Rival("llama.cpp", LLAMA_PORT, process.pid, "/completion", LLAMA_WORDS)
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait()


def print_table(rounds):
    print("| | Troupe | llama.cpp | ratio | rounds' ratios |\n|---|---|---|---|---|")
    for name in rounds[0][0]:
        ours, theirs = ([r[i][name] for r in rounds] for i in (0, 1))
        ratios = sorted(a / b for a, b in zip(ours, theirs))
        print(f"| {name} | {statistics.median(ours):.1f} | {statistics.median(theirs):.1f} "
              f"| **{statistics.median(ratios):.2f}** | {ratios[0]:.2f} to {ratios[-1]:.2f} |")


def describe(arguments):
    cpu = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8")
               if line.startswith("model name"))
    commit = subprocess.run(["git", "-C", HERE, "rev-parse", "--short", "HEAD"],
                            capture_output=True, text=True, check=False).stdout.strip()
    load = os.getloadavg()[0]
    print(f"\n{cpu}, {arguments.threads} threads; commit {commit}; load average at the end "
          f"{load:.1f}; bench/peers/peers.py {' '.join(sys.argv[1:])}")


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--tokenizer", help="folder of a Qwen2.5 tokenizer.json")
    given.add_argument("--model", help="folder of a Qwen2.5 model in bfloat16")
    parser.add_argument("--work", default="/var/tmp/troupe-peers")
    parser.add_argument("--format", choices=["bf16", "q8_0", "q4_0"], default="bf16")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--cases", default="prefill,decode,load",
                        type=lambda text: text.split(","))
    parser.add_argument("--concurrency", default="1,4,8,16,32",
                        type=lambda text: [int(word) for word in text.split(",")])
    parser.add_argument("--troupe", default="", help="more flags of troupe serve")
    return parser.parse_args()


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no server is left behind
    arguments = read_arguments()
    root, model, gguf = prepare(arguments)
    cases = make_requests(pathlib.Path(arguments.work) / "requests.jsonl")
    slots = max(arguments.concurrency)
    flags = ["--threads", arguments.threads, "--max-num-seqs", slots, "--max-model-len", 4096,
             "--no-enable-prefix-caching", *shlex.split(arguments.troupe)]
    with Server(*flags, model=model) as server, llama_server(root, gguf, arguments) as llama:
        troupe = Rival("Troupe", server.port, server.process.pid, "/generate", {})
        try:
            rounds = []
            for rival in (llama, troupe):
                os.kill(rival.pid, signal.SIGSTOP)
            for number in range(arguments.rounds):
                # Who comes first changes, so that neither always has the warmer machine.
                order = (troupe, llama) if number % 2 == 0 else (llama, troupe)
                numbers = {rival.name: measure(rival, cases, arguments) for rival in order}
                rounds.append((numbers["Troupe"], numbers["llama.cpp"]))
                print(f"round {number + 1}: {json.dumps(rounds[-1])}", file=sys.stderr, flush=True)
        finally:
            os.kill(troupe.pid, signal.SIGCONT)
    print_table(rounds)
    describe(arguments)


if __name__ == "__main__":
    main()
