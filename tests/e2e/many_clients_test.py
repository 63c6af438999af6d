"""200 clients on a KV pool for about 8: all end well, all pages come back, memory stays flat."""
import argparse
import concurrent.futures

from troupe_server import Server


def burst(server, num_requests, concurrency, max_tokens):
    bodies = [{"prompt": f"Tell me about batching, please. Visitor number {i}.", "seed": i,
               "max_tokens": max_tokens, "ignore_eos": True} for i in range(num_requests)]
    for status, body in server.post_all(bodies, concurrency):
        assert status == 200, (status, body)
        assert body["finish_reason"] == "length", body
        assert body["usage"]["completion_tokens"] == max_tokens, body


def check_at_rest(server):
    server.wait_until(lambda: server.metric("vllm:num_requests_running") == 0, 5, "quiet")
    assert server.metric("troupe_kv_pages_used") == 0
    assert server.metric("vllm:num_requests_waiting") == 0


def soak(server, num_requests):
    """Many short requests on few kept-alive connections; the memory after a tenth is the bar."""
    def client(share):
        connection = server.connect()
        for i in range(share):
            status, body = server.post({"prompt": f"Hello {i}", "max_tokens": 2}, connection)
            assert status == 200, (status, body)
        connection.close()

    def run(total):
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            list(pool.map(client, [total // 16] * 16))
    run(num_requests // 10)
    before = server.rss_bytes()
    run(num_requests * 9 // 10)
    growth = server.rss_bytes() - before
    print(f"{num_requests} requests: RSS {before / 2**20:.0f} MiB, growth {growth / 2**20:.1f} MiB")
    assert growth < 8 * 2**20, growth


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--soak", type=int, default=2000)
    num_soak = arguments.parse_args().soak
    # A request takes 80 tokens, 5 pages: 40 pages hold 8 of them.
    with Server("--max-model-len", 512, "--num-gpu-blocks-override", 40,
                "--no-enable-prefix-caching") as server:
        burst(server, 200, 200, 60)
        check_at_rest(server)
        print(f"200 clients on 40 pages: 0 errors, "
              f"{server.metric('vllm:num_preemptions_total'):.0f} preemptions")
        soak(server, num_soak)
        check_at_rest(server)


if __name__ == "__main__":
    main()
