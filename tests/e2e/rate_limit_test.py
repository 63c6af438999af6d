"""The same timelines through the real nginx and through Troupe: both let the same ones in.

nginx limits with limit_req in front of a small server of our own; it counts what reaches a location
with an upstream, not what `return` answers.
"""
import contextlib
import http.client
import http.server
import json
import random
import sys
import threading
import time

from nginx import NGINX, Nginx
from troupe_server import PATIENCE, Server

RATE, BURST = 2, 4  # per second; beyond it
PERIOD_MS = 1000 // RATE
ENOUGH = 6  # timelines
MARGIN_MS = 120  # no request comes closer than this to a moment at which its answer would change
ZONE = f"limit_req_zone $http_x_who zone=clients:1m rate={RATE}r/s;"
LIMITED = """location / {{
      limit_req zone=clients burst={burst} nodelay;
      proxy_pass http://127.0.0.1:{upstream};
    }}"""


class Upstream(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def timeline(seed):
    """[ms after the start] with bursts and pauses, away from the moments that decide."""
    chance = random.Random(seed)
    times, now, excess, last = [], 0, None, 0
    while len(times) < 28:
        pause = chance.choice([0, 0, 0, 0, chance.randrange(40, 900), chance.randrange(400, 2600)])
        at = now + pause
        if excess is None:
            excess, last = 0, at
        else:
            new = max(0, excess - RATE * (at - last)) + 1000
            edge = (BURST * 1000 - new) / RATE  # ms between this moment and the deciding one
            if abs(edge) < MARGIN_MS:
                continue
            if new <= BURST * 1000:
                excess, last = new, at
        times.append(at)
        now = at
    return times


def expected(times):
    """What the published arithmetic says."""
    out, excess, last = "", None, 0
    for at in times:
        new = 0 if excess is None else max(0, excess - RATE * (at - last) + 1000)
        passes = new <= BURST * 1000
        if passes:
            excess, last = new, at
        out += "P" if passes else "R"
    return out


def ask(port, who):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20 * PATIENCE)
    body = json.dumps({"prompt": "Hi", "max_tokens": 1})
    connection.request("POST", "/generate", body, {"Content-Type": "application/json",
                                                   "X-Who": who, "X-Forwarded-For": who})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert answer.status in (200, 503), answer.status
    return answer.status == 200


def drive(port, who, times, answers, lags):
    start = time.monotonic()
    for at in times:
        delay = start + at / 1e3 - time.monotonic()
        if delay > 0:
            time.sleep(delay)
        begin = time.monotonic() - start
        answers.append("P" if ask(port, who) else "R")
        lags.append((time.monotonic() - start) * 1e3 - at)
        assert begin >= at / 1e3


@contextlib.contextmanager
def limiting_nginx():
    upstream = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    try:
        with Nginx(ZONE, LIMITED.format(burst=BURST, upstream=upstream.server_port)) as nginx:
            yield nginx
    finally:
        upstream.shutdown()


def compare(nginx, ours, seeds):
    """One client per timeline, all at once. Returns the timelines that were driven in time."""
    runs = []
    for seed in seeds:
        for port in (nginx.port, ours.port):
            answers, lags, times = [], [], timeline(seed)
            who = f"192.0.2.{seed}"
            thread = threading.Thread(target=drive, args=(port, who, times, answers, lags))
            thread.start()
            runs.append((seed, times, answers, lags, thread))
    for run in runs:
        run[-1].join()
    on_time = 0
    for theirs, mine in zip(runs[::2], runs[1::2]):
        seed, times = theirs[:2]
        assert len(theirs[2]) == len(mine[2]) == len(times), "a client failed"
        # A busy machine that holds a request up makes another timeline of it: nothing to compare.
        if max(theirs[3] + mine[3]) >= MARGIN_MS - 20:
            print(f"timeline {seed}: late by {max(theirs[3] + mine[3]):.0f} ms, not compared")
            continue
        on_time += 1
        assert theirs[2] == mine[2], (seed, times, theirs[2], mine[2])
        assert "".join(mine[2]) == expected(times), (seed, times, mine[2])
        print(f"timeline {seed}: {''.join(mine[2])}")
    return on_time


def main():
    with limiting_nginx() as nginx, \
            Server("--rate-limit", f"{RATE}r/s", "--rate-burst", BURST, "--rate-nodelay",
                   "--rate-limit-status", 503, "--trusted-proxies", "127.0.0.1",
                   "--max-model-len", 256) as ours:
        on_time = driven = 0
        # On a busy machine some timelines are late: then others are tried, within reason.
        while on_time < ENOUGH and driven < 2 * ENOUGH:
            on_time += compare(nginx, ours, (driven + 1, driven + 2))
            driven += 2
        assert ours.metric('troupe_requests_refused_total') > 0
    print(f"{on_time} of {driven} timelines compared, all equal")
    if on_time == 0:
        print("the machine was too busy to compare anything")
        sys.exit(77)


if __name__ == "__main__":
    if not NGINX:
        print("nginx is not installed (package nginx-light)")
        sys.exit(77)
    main()
