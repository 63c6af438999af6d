"""Ten times what fits: everyone is answered, quickly, and the refused hear when to come back."""
import concurrent.futures
import json
import time

from troupe_server import PATIENCE, Server


def post(server, number):
    connection = server.connect()
    body = json.dumps({"prompt": f"Visitor {number}", "max_tokens": 200, "ignore_eos": True})
    start = time.monotonic()
    connection.request("POST", "/generate", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    spent = time.monotonic() - start
    connection.close()
    return answer.status, answer.getheader("Retry-After"), spent


def main():
    with Server("--max-num-seqs", 2, "--max-num-queued-reqs", 8, "--max-model-len", 512) as server:
        with concurrent.futures.ThreadPoolExecutor(100) as pool:
            results = list(pool.map(lambda i: post(server, i), range(100)))
        served = [r for r in results if r[0] == 200]
        refused = [r for r in results if r[0] == 429]
        assert len(served) + len(refused) == 100, results
        assert len(served) >= 10 and refused, (len(served), len(refused))
        for _, retry_after, spent in refused:
            assert int(retry_after) >= 1
            assert spent < 2 * PATIENCE, spent
        assert server.metric("troupe_requests_refused_total") == len(refused)
        server.wait_until(lambda: server.metric("troupe_kv_pages_used") == 0, 5, "pages free")
    slowest = max(spent for _, _, spent in refused)
    print(f"{len(served)} served, {len(refused)} refused, the slowest refusal in {slowest:.3f} s")


if __name__ == "__main__":
    main()
