"""SIGTERM: what runs finishes, what is new is refused or cannot connect, exit status 0."""
import signal
import threading

from troupe_server import Server


def main():
    results = []
    with Server("--max-model-len", 2048) as server:
        body = {"prompt": "Tell me a story.", "max_tokens": 300, "ignore_eos": True}
        clients = [threading.Thread(target=lambda: results.append(server.post(body)))
                   for _ in range(8)]
        for client in clients:
            client.start()
        server.wait_until(lambda: server.metric("vllm:num_requests_running") == 8, 10, "running")
        server.process.send_signal(signal.SIGTERM)
        for client in clients:
            client.join()
        assert server.process.wait(20) == 0
    assert [status for status, _ in results] == [200] * 8, results
    assert all(answer["usage"]["completion_tokens"] == 300 for _, answer in results)
    print("8 running requests finished after SIGTERM, exit status 0")

    with Server("--max-model-len", 2048, "--drain-timeout", "200ms") as server:
        long = {"prompt": "Tell me a story.", "max_tokens": 1900, "ignore_eos": True}
        cut = []
        clients = [threading.Thread(target=lambda: cut.append(server.post(long)))
                   for _ in range(32)]
        for client in clients:
            client.start()
        server.wait_until(lambda: server.metric("vllm:num_requests_running") == 32, 10, "running")
        server.process.send_signal(signal.SIGTERM)
        for client in clients:
            client.join()
        assert server.process.wait(20) == 0
    others = [c for c in cut if c[0] != 503 or c[1]["error"]["code"] != "shutting_down"]
    assert not others, others
    print("32 requests past the drain timeout ended with an error, exit status 0")


if __name__ == "__main__":
    main()
