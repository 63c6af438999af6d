"""A deadline that passes in the queue is answered within 100 ms of it, and its request never
computes; one that passes while it runs ends it, too."""
import sys
import tempfile
import threading

from ledger import Ledger, patient, percentile
from troupe_server import ROOT, Server

sys.path.insert(0, str(ROOT / "bench"))

from shape_7b import make_shape  # noqa: E402

QUEUE_TIMEOUT_S, REQUEST_TIMEOUT_S = 0.4, 1.2
NUM_WAITING = 12
LATE_S = 0.100


def main():
    # Simulated steps, so that waiting clients take no time from them; of a large model, so that
    # an answer takes longer than any deadline.
    flags = ["--device", "sim", "--sim-gpu", "rtx4090", "--max-num-seqs", 1,
             "--max-model-len", 4096, "--queue-timeout", f"{QUEUE_TIMEOUT_S}s",
             "--request-timeout", f"{REQUEST_TIMEOUT_S}s"]
    with tempfile.TemporaryDirectory() as folder, \
            Server(*flags, model=make_shape(folder)) as server:
        ledger = Ledger(server)
        endless = {"prompt": "Go on.", "max_tokens": 4000, "ignore_eos": True, "stream": True}
        runner = threading.Thread(target=ledger.ask, args=(endless,))
        runner.start()
        server.wait_until(lambda: server.metric("vllm:generation_tokens_total") > 0, 10, "running")
        tokens = server.metric("vllm:prompt_tokens_total")
        waiting = [threading.Thread(target=ledger.ask, args=(
            {"prompt": f"Me, too: {i}", "max_tokens": 4},)) for i in range(NUM_WAITING)]
        for thread in waiting:
            thread.start()
        for thread in waiting:
            thread.join()
        late = [r.seconds - QUEUE_TIMEOUT_S for r in ledger.records]
        assert all(r.end == "timed_out" for r in ledger.records), [
            (r.status, r.error) for r in ledger.records]
        assert server.metric("vllm:prompt_tokens_total") == tokens, "one of them was computed"
        runner.join()
        running = ledger.records[-1]
        assert running.end == "timed_out", (running.end, running.error)
        over = running.seconds - REQUEST_TIMEOUT_S
        ends = ledger.check()
        assert ends["timed_out"] == NUM_WAITING + 1, ends
        # Nothing of those that were given up runs later.
        assert server.post({"prompt": "Hello", "max_tokens": 4})[0] == 200
    print(f"deadlines: {NUM_WAITING} in the queue ended {percentile(late, 0.5) * 1e3:.0f} ms past "
          f"theirs (p50), {max(late) * 1e3:.0f} ms at most; a running one {over * 1e3:.0f} ms")
    assert min(late) >= -0.01, late
    assert percentile(late, 0.5) < patient(LATE_S) and max(late) < patient(5 * LATE_S), late
    assert over < patient(5 * LATE_S), over


if __name__ == "__main__":
    main()
