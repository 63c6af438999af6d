"""SIGTERM: what runs finishes, what does not in time hears an error, exit status 0."""
import signal
import threading

from troupe_server import Server


def terminate_under_load(num_requests, max_tokens, *flags):
    """Statuses and answers of requests that ran when SIGTERM came."""
    body = {"prompt": "Tell me a story.", "max_tokens": max_tokens, "ignore_eos": True}
    results = []
    with Server("--max-model-len", 2048, *flags) as server:
        clients = [threading.Thread(target=lambda: results.append(server.post(body)))
                   for _ in range(num_requests)]
        for client in clients:
            client.start()
        server.wait_until(lambda: server.metric("vllm:num_requests_running") == num_requests, 10,
                          "running")
        server.process.send_signal(signal.SIGTERM)
        for client in clients:
            client.join()
        assert server.process.wait(20) == 0
    return results


def main():
    finished = terminate_under_load(8, 300)
    assert [status for status, _ in finished] == [200] * 8, finished
    assert all(answer["usage"]["completion_tokens"] == 300 for _, answer in finished)
    print("8 running requests finished after SIGTERM, exit status 0")

    cut = terminate_under_load(32, 1900, "--drain-timeout", "200ms")
    others = [c for c in cut if c[0] != 503 or c[1]["error"]["code"] != "shutting_down"]
    assert not others, others
    print("32 requests past the drain timeout ended with an error, exit status 0")


if __name__ == "__main__":
    main()
