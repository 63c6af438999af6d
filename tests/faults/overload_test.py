"""Ten times more requests than fit, for as long as asked: what is accepted is answered within the
limits of the queue, the others hear so at once, and no throughput is lost to them.

The device is simulated, so that the clients of this test take no time from it; the model is large,
so that its steps are longer than what a busy machine makes anybody wait."""
import argparse
import sys
import tempfile
import threading
import time

from ledger import Ledger, patient, percentile
from troupe_server import ROOT, Server

sys.path.insert(0, str(ROOT / "bench"))

from shape_7b import make_shape  # noqa: E402

TOKENS = 60
SEQS = 2
QUEUED = 4
QUEUE_TIMEOUT_S = 4.0
REFUSED_WITHIN_S = 0.050


def body(number):
    return {"prompt": f"Visitor {number} asks.", "max_tokens": TOKENS, "ignore_eos": True,
            "stream": True, "seed": number}


def closed_loop(server, seconds):
    """The most that the server does: every slot taken again as soon as it is free."""
    ledger, stop = Ledger(server), time.monotonic() + seconds
    began = time.monotonic()
    before = server.metric("vllm:generation_tokens_total")

    def work(worker):
        number = worker * 100_000
        while time.monotonic() < stop:
            ledger.ask(body(number))
            number += 1

    run_all(work, SEQS + 2)
    spent = time.monotonic() - began
    rate = (server.metric("vllm:generation_tokens_total") - before) / spent
    ledger.check()
    return rate, sum(r.end == "finished" for r in ledger.records) / spent


def run_all(work, number):
    threads = [threading.Thread(target=work, args=(i,)) for i in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(patient(240))
        assert not thread.is_alive(), "a client hangs"


def open_loop(server, rate, seconds, num_clients=64):
    """So many requests a second, whatever becomes of them. A client that waits for its answer
    leaves its turns to the others."""
    ledger, lock, late = Ledger(server), threading.Lock(), []
    begin, total = time.monotonic(), int(rate * seconds)
    state = {"next": 0}
    before = server.metric("vllm:generation_tokens_total")

    def work(_):
        while True:
            with lock:
                number, state["next"] = state["next"], state["next"] + 1
            if number >= total:
                return
            due = begin + number / rate
            time.sleep(max(0, due - time.monotonic()))
            late.append(time.monotonic() - due)
            ledger.ask(body(number))

    run_all(work, num_clients)
    spent = time.monotonic() - begin
    tokens = server.metric("vllm:generation_tokens_total") - before
    return ledger, tokens / spent, total / spent


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=8)
    seconds = parser.parse_args().seconds
    flags = ["--device", "sim", "--sim-gpu", "h100", "--max-num-seqs", SEQS,
             "--max-num-queued-reqs", QUEUED, "--max-model-len", 512, "--queue-timeout",
             f"{QUEUE_TIMEOUT_S}s"]
    with tempfile.TemporaryDirectory() as folder, \
            Server(*flags, model=make_shape(folder)) as server:
        closed_loop(server, 1)
        peak, served = closed_loop(server, seconds / 2)
        ledger, rate, offered = open_loop(server, 10 * served, seconds)
        ends = ledger.check()
        finished = [r for r in ledger.records if r.end == "finished"]
        refused = [r for r in ledger.records if r.end == "refused"]
        assert ends["finished"] + ends["refused"] + ends["timed_out"] == len(ledger.records), ends
        assert all(r.status in (429, 503) and int(r.retry_after) >= 1 for r in refused)
        assert finished and refused, ends
        first = percentile([r.first_token - r.began for r in finished], 0.99)
        usual, rejected = (percentile([r.seconds for r in refused], q) for q in (0.5, 0.99))
        print(f"overload: peak {peak:.0f} tokens/s, {offered / served:.1f} times the requests: "
              f"{rate:.0f} tokens/s ({100 * rate / peak:.0f} %); {len(finished)} finished with the "
              f"first token p99 {first:.3f} s; {len(refused)} refused, p50 "
              f"{usual * 1e3:.1f} ms, p99 {rejected * 1e3:.1f} ms")
        assert offered > 3 * served, "the clients were too slow to overload anybody"
        # A machine that others use, too, has its own p99; the half does not hide a slow refusal.
        assert usual < patient(REFUSED_WITHIN_S) and rejected < patient(10 * REFUSED_WITHIN_S)
        assert rate >= 0.85 * peak, (rate, peak)
        assert first <= patient(QUEUE_TIMEOUT_S), first


if __name__ == "__main__":
    main()
