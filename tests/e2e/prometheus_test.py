"""Debian's Prometheus scrapes the real server: what it stores is what the clients saw."""
import contextlib
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

from troupe_server import PATIENCE, Server

SKIPPED = 77
NUM_REQUESTS, MAX_TOKENS = 40, 60
# What promtool says of names that are not ours to choose.
KNOWN_LINT = ("metric names should not contain ':'",
              'vllm:iteration_tokens_total non-counter metrics should not have "_total" suffix')


def check_text(text):
    found = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                           capture_output=True, timeout=60)
    # 3: it could be read, and there is advice.
    assert found.returncode in (0, 3), found.stderr
    advice = [line for line in found.stderr.splitlines()
              if not (line.startswith("vllm:") and line.endswith(KNOWN_LINT))]
    assert not advice, advice


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Prometheus:
    def __init__(self, target_port, folder):
        self.port = free_port()
        config = pathlib.Path(folder) / "prometheus.yml"
        config.write_text("global: {scrape_interval: 1s}\nscrape_configs:\n  - job_name: troupe\n"
                          "    static_configs:\n"
                          f"      - targets: ['127.0.0.1:{target_port}']\n")
        self.command = ["prometheus", f"--config.file={config}",
                        f"--storage.tsdb.path={folder}/data",
                        f"--web.listen-address=127.0.0.1:{self.port}"]
        self.log = open(pathlib.Path(folder) / "log", "w+")

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)
        self.log.close()

    def ask(self, query):
        """The value of a query with one answer; None while there is none."""
        url = f"http://127.0.0.1:{self.port}/api/v1/query?" + urllib.parse.urlencode(
            {"query": query})
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(url, timeout=10) as answer:
                result = json.load(answer)["data"]["result"]
            assert len(result) <= 1, (query, result)
            return float(result[0]["value"][1]) if result else None
        assert self.process.poll() is None, "Prometheus ended"
        return None

    def becomes(self, query, wanted, seconds=30):
        deadline = time.monotonic() + seconds * PATIENCE
        while (found := self.ask(query)) != wanted:
            assert time.monotonic() < deadline, f"{query} is {found}, not {wanted}"
            time.sleep(0.1)


def load(server):
    """Answers with and without streaming, one that is wrong; the generated tokens in all."""
    bodies = [{"prompt": f"Visitor {i} asks", "max_tokens": MAX_TOKENS - i % 7, "seed": i}
              for i in range(NUM_REQUESTS)]
    answers = server.post_all(bodies, 8)
    assert all(status == 200 for status, _ in answers), answers
    assert server.post({"prompt": "Hello", "max_tokens": "many"})[0] == 400
    return (sum(body["usage"]["prompt_tokens"] for _, body in answers),
            sum(body["usage"]["completion_tokens"] for _, body in answers))


def check(server, prometheus):
    prometheus.becomes('up{job="troupe"}', 1)
    prometheus.becomes("sum(vllm:generation_tokens_total)", 0)
    num_prompt, num_generated = load(server)
    prometheus.becomes("sum(vllm:generation_tokens_total)", num_generated)
    prometheus.becomes("sum(vllm:prompt_tokens_total)", num_prompt)
    prometheus.becomes("sum(vllm:prompt_tokens_by_source_total)", num_prompt)
    prometheus.becomes("vllm:time_to_first_token_seconds_count", NUM_REQUESTS)
    prometheus.becomes("vllm:inter_token_latency_seconds_count", num_generated - NUM_REQUESTS)
    prometheus.becomes("sum(vllm:request_success_total)", NUM_REQUESTS)
    requests = 'http_requests_total{handler="/generate",method="POST",status="%s"}'
    prometheus.becomes(requests % 200, NUM_REQUESTS)
    prometheus.becomes(requests % 400, 1)
    prometheus.becomes('http_request_duration_seconds_count{handler="/generate"}',
                       NUM_REQUESTS + 1)
    prometheus.becomes("vllm:num_requests_running + vllm:num_requests_waiting", 0)
    prometheus.becomes("troupe_replica_ready", 1)
    late = prometheus.ask("histogram_quantile(0.95, sum(rate("
                          "vllm:time_to_first_token_seconds_bucket[1m])) by (le))")
    assert late is not None and 0 < late < 30 * PATIENCE, late
    # Nothing was dropped as a duplicate or as unreadable.
    assert prometheus.ask("scrape_samples_scraped - "
                          "scrape_samples_post_metric_relabeling") == 0
    resident = prometheus.ask('process_resident_memory_bytes{job="troupe"}')
    assert abs(resident - server.rss_bytes()) < 64 << 20, resident
    age = time.time() - prometheus.ask('process_start_time_seconds{job="troupe"}')
    assert 0 < age < 300 * PATIENCE, age
    print(f"{num_generated} tokens of {NUM_REQUESTS} requests; 95 % had their first token within "
          f"{late * 1e3:.0f} ms")


def main():
    if not (shutil.which("prometheus") and shutil.which("promtool")):
        print("skipped: Debian's package prometheus is not installed")
        sys.exit(SKIPPED)
    with tempfile.TemporaryDirectory() as folder, Server("--max-model-len", 512) as server:
        with Prometheus(server.port, folder) as prometheus:
            check(server, prometheus)
        check_text(server.get("/metrics")[1])


if __name__ == "__main__":
    main()
