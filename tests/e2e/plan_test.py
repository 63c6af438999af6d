"""`troupe plan`: what it refuses, that its numbers are the same everywhere, and that they are what
the real server with the simulated device does."""
import asyncio
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

from troupe_server import BINARY, DEMO, PATIENCE, PLAIN_ENVIRONMENT, Server

SHAPE_7B = dict(hidden_size=3584, intermediate_size=18944, num_hidden_layers=28,
                num_attention_heads=28, num_key_value_heads=4, tie_word_embeddings=False)
SHORT = ["--concurrency", "1,4", "--seconds", "5"]


def plan(*words):
    return subprocess.run([BINARY, "plan", *map(str, words)], env=PLAIN_ENVIRONMENT,
                          capture_output=True, text=True, check=False)


def check_refusals():
    for words, status, said in [
            (["7b", "--gpu", "4080"], 2, "Did you mean 4090?"),
            (["7b", "--gpu", "h20"], 2, "rtx4090, rtx4090d, a100, h100, h200"),
            (["7b", "--gpu", "h200:0"], 2, "1 to 64"),
            (["7b", "--gpu", "h200:65"], 2, "1 to 64"),
            (["7b", "--gpu", "h200:x"], 2, "1 to 64"),
            (["8b", "--gpu", "h200"], 1, "0.5B, 1.5B, 3B, 7B, 14B, 32B, 72B"),
            (["7b"], 2, "--gpu or --device cpu"),
            (["--gpu", "h200"], 2, "MODEL is needed"),
            (["7b", "--gpu", "h200", "--device", "cpu"], 2, "not both"),
            (["7b", "--gpu", "h200", "--concurrency", "0"], 2, "--concurrency"),
            (["7b", "--gpu", "h200", "--concurrency", "1,x"], 2, "--concurrency"),
            (["7b", "--gpu", "h200", "--rate", "nan"], 2, "--rate"),
            (["7b", "--gpu", "h200", "--rate", "1", "--concurrency", "1"], 2, "excludes"),
            (["7b", "--gpu", "h200", "--input-tokens", "9..8"], 2, "9..8"),
            (["7b", "--gpu", "h200", "--output-tokens", "0"], 2, "--output-tokens"),
            (["7b", "--gpu", "h200", "--price", "-1"], 2, "--price"),
            (["7b", "--gpu", "h200", "--seconds", "0"], 2, "--seconds"),
            (["7b", "--gpu", "h200", "--ttft-slo", "soon"], 2, "soon"),
            (["7b", "--gpu", "h200", "--quantization", "int4"], 1, "--quantization"),
            (["7b", "--gpu", "h200", "--kv-cache-dtype", "int8"], 1, "--kv-cache-dtype"),
            (["7b", "--gpu", "h200", "--max-model-len", "99999"], 1, "--max-model-len"),
            (["7b", "--gpu", "h200:3", "--tensor-parallel-size", "2"], 1, "--tensor-parallel"),
            (["7b", "--gpu", "h200", "--bogus"], 2, "bogus"),
            (["--compare", "no-such-file"], 2, "no-such-file")]:
        done = plan(*words)
        assert done.returncode == status, (words, done)
        assert said in done.stderr + done.stdout, (words, done)


def check_misfit():
    """What does not fit says which number to change, and that number is right."""
    done = plan("14b", "--gpu", "4090:2", "--json", "-", *SHORT)
    report = json.loads(done.stdout)
    alone, together = report["layouts"]
    assert not alone["fits"] and not alone["rows"], alone
    assert "--gpu-memory-utilization" in alone["why_not"], alone
    assert "--tensor-parallel-size 2" in alone["why_not"], alone
    assert together["fits"] and len(together["rows"]) == 2, together
    alone = plan("72b", "--gpu", "4090", *SHORT)
    assert alone.returncode == 0 and "None of these holds the model." in alone.stdout, alone
    done = plan("7b", "--gpu", "4090", "--kv-cache-memory-bytes", "1GiB", "--json", "-", *SHORT)
    why = json.loads(done.stdout)["layouts"][0]["why_not"]
    most = re.search(r"--max-model-len to at most (\d+)", why)[1]
    done = plan("7b", "--gpu", "4090", "--kv-cache-memory-bytes", "1GiB", "--max-model-len", most,
                "--json", "-", *SHORT)
    assert json.loads(done.stdout)["layouts"][0]["fits"], done


def rows_of(text):
    """The cells of every table row that begins with a number."""
    return [[cell.strip() for cell in line.strip("| ").split("|")]
            for line in text.splitlines() if re.match(r"\| \d", line)]


def check_same_numbers():
    words = ["qwen2.5-7b", "--gpu", "4090d:2", "--price", "0.4", *SHORT]
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "plan.json"
        text = plan(*words, "--json", file)
        assert text.returncode == 0, text
        assert "SIMULATED" in text.stdout, text.stdout
        report = json.loads(file.read_text(encoding="utf-8"))
        again = plan(*words, "--json", file)
        assert again.stdout == text.stdout
        assert json.loads(file.read_text(encoding="utf-8")) == report
    assert report["simulated"] is True
    found = rows_of(text.stdout)
    wanted = [(layout, row) for layout in report["layouts"] for row in layout["rows"]]
    assert len(found) == len(wanted) == 4, text.stdout
    for cells, (layout, row) in zip(found, wanted):
        numbers = [float(n) for n in re.findall(r"[\d.]+", " ".join(cells))]
        assert numbers == [row["concurrency"], row["ttft_mean_ms"], row["ttft_p50_ms"],
                           row["ttft_p99_ms"], row["itl_mean_ms"], row["itl_p99_ms"],
                           row["requests_per_second"], row["output_tokens_per_second"],
                           row["kv_use_percent"], layout["memory_of_each"]["planned_mib"],
                           row["usd_per_million_output_tokens"], row["usd_per_million_tokens"]], \
            (cells, row)
        # 0.8 dollars an hour for both cards.
        cost = 0.8 / 3600 * 1e6 / row["output_tokens_per_second"]
        assert abs(row["usd_per_million_output_tokens"] / cost - 1) < 0.01, row
    assert report["recommendation"] in text.stdout
    assert plan(*words, "--seed", "2", "--input-tokens", "100..900").stdout != text.stdout


def check_load_changes_the_verdict():
    """An open load beyond what a card does is called unstable; a smaller one is not."""
    done = plan("7b", "--gpu", "4090d", "--rate", "1,50", "--seconds", "20", "--json", "-")
    calm, flood = json.loads(done.stdout)["layouts"][0]["rows"]
    assert calm["stable"] and calm["keeps_slo"], calm
    assert not flood["stable"] and flood["why_not_stable"], flood
    assert abs(calm["requests_per_second"] - 1) < 0.5, calm


def check_speed():
    """Twenty minutes of load on four cards in seconds (3 s alone on a core of 2026)."""
    start = time.monotonic()
    done = plan("7b", "--gpu", "4090d:4", "--json", "-")
    seconds = time.monotonic() - start
    layouts = json.loads(done.stdout)["layouts"]
    assert [layout["replicas"] for layout in layouts] == [4, 2, 1], layouts
    assert all(row["stable"] for layout in layouts for row in layout["rows"]), layouts
    # Others may build on the same two cores; what is promised is 20 s.
    assert seconds < 20 * max(PATIENCE, 2), seconds


async def stream_one(port, number, results):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = json.dumps({"prompt": [300 + number] + list(range(500, 755)), "max_tokens": 48,
                       "ignore_eos": True, "stream": True, "seed": number}).encode()
    start = time.perf_counter()
    writer.write(b"POST /generate HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                 b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    first = 0.0
    async for line in reader:
        if line.startswith(b"data: {"):
            first = first or time.perf_counter() - start
    results.append(first)
    writer.close()


def serve_load(server, concurrency, rounds, first):
    """Tokens a second and mean seconds to the first, of clients that ask again when answered."""
    results, numbers = [], iter(range(first, first + concurrency * rounds))

    async def client():
        for number in numbers:
            await stream_one(server.port, number, results)

    async def all_clients():
        await asyncio.gather(*(client() for _ in range(concurrency)))
    start = time.perf_counter()
    asyncio.run(all_clients())
    return 48 * len(results) / (time.perf_counter() - start), sum(results) / len(results)


def check_against_the_server():
    """The simulated clock and the real one agree: same actors, same step times."""
    with tempfile.TemporaryDirectory() as folder:
        model = pathlib.Path(folder) / "7b"
        shutil.copytree(DEMO, model, ignore=shutil.ignore_patterns("*.safetensors"))
        config = json.loads((model / "config.json").read_text(encoding="utf-8"))
        (model / "config.json").write_text(json.dumps({**config, **SHAPE_7B}), encoding="utf-8")
        flags = ["--gpu-memory-utilization", "0.9"]
        done = plan(model, "--gpu", "rtx4090d", "--concurrency", "4", "--input-tokens", "256",
                    "--output-tokens", "48", "--seconds", "10", "--json", "-", *flags)
        row = json.loads(done.stdout)["layouts"][0]["rows"][0]
        with Server("--device", "sim", "--sim-gpu", "rtx4090d", *flags, model=model) as server:
            serve_load(server, 4, 1, 0)
            # Another process on these cores makes the real one slower, never faster: the best run
            # counts, of at most three. No prompt comes twice, or the prefix cache would have it.
            runs = []
            while len(runs) < 3 and not agrees(row, runs):
                runs.append(serve_load(server, 4, 8, 1000 + 100 * len(runs)))
        assert agrees(row, runs), (row, runs)


def agrees(row, runs):
    if not runs:
        return False
    rate, first = max(run[0] for run in runs), min(run[1] for run in runs)
    # A sleeper wakes up late where more processes want to run than there are cores.
    is_busy = os.getloadavg()[0] > os.cpu_count()
    # How clients stand to each other decides when their prompts meet, and eight rounds are few.
    return (abs(row["output_tokens_per_second"] / rate - 1) < (0.25 if is_busy else 0.15)
            and abs(row["ttft_mean_ms"] / 1e3 / first - 1) < (0.6 if is_busy else 0.4))


def check_claims():
    claims = pathlib.Path(__file__).resolve().parents[2] / "bench/plan/claims.json"
    done = plan("--compare", claims, "--seconds", "5")
    assert done.returncode == 0, done
    rows = rows_of(done.stdout)
    assert [row[0] for row in rows] == ["1", "4", "8", "16", "32", "64"], done.stdout
    assert "nothing here makes it unstable" in rows[-1][-1], rows[-1]
    assert all(row[-1] for row in rows)


def main():
    check_refusals()
    check_misfit()
    check_same_numbers()
    check_load_changes_the_verdict()
    check_claims()
    check_speed()
    check_against_the_server()


if __name__ == "__main__":
    main()
