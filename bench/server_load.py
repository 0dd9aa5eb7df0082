#!/usr/bin/env python3
"""How long clients wait while others keep `preferd serve` busy, and what it answers when more comes than it can do.

    server_load.py [--rounds N] [--seconds S] [--variant FLAGS]... [MODE...] -- COMMAND...
    e.g. server_load.py --variant "--batch-ms 0" --variant "--batch-ms 200" beside -- build/preferd serve

Modes, all of them by default:

  beside    one client with pairs of some 200 tokens, one at a time, beside two clients whose /batch calls of 64 pairs of 300 tokens saturate
            the model; and the same client alone. `excess`: p90 beside them minus the median alone
  bulk      two clients whose /batch calls saturate the model, and nobody beside them
  half      pairs of 300 tokens in Poisson arrivals at half of what the server answers when it is saturated
  overload  the same at one and a half times that rate, with `timeout_ms`; goodput: answers of status 200 per second, over the peak

Each variant is a server of its own with these flags. In every round each variant has its turn, so that a machine that changes its speed
does so for all; figures are over all rounds. Latencies of Poisson arrivals are counted from when a request should have been sent. `again`: of
the requests that were refused with 429, a sample is sent once more after its Retry-After; the share of these that was then admitted (while
others keep coming). Standard library only.
"""
import argparse
import collections
import http.client
import json
import pathlib
import random
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/e2e"))
import client
from http_bench import pair, quantile

WORDS_OF_TOKENS = 250 / 300  # of http_bench's English


def post(port, path, body, timeout=300):
    """Milliseconds, status, headers, answer; on a connection of its own."""
    begin = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    reply = connection.getresponse()
    answer = json.loads(reply.read())
    connection.close()
    return (time.perf_counter() - begin) * 1e3, reply.status, reply.headers, answer


def of_tokens(tokens, source):
    return pair(int(tokens * WORDS_OF_TOKENS), source)


def single_pairs(port, seconds, source):
    """Latencies of pairs of 200 tokens, one at a time with pauses, so that they meet batches at any point."""
    out, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        ms, status, _, answer = post(port, "/predict", of_tokens(200, source))
        if status != 200:
            sys.exit(f"server_load: {status}: {answer}")
        out.append(ms)
        time.sleep(source.uniform(0, .2))
    return out


class Bulk:
    """Clients of /batch that never stop; `rate` is what they were answered, in pairs per second."""

    def __init__(self, port, clients, pairs=64, tokens=300):
        self.port, self.pairs, self.tokens, self.done, self.stop = port, pairs, tokens, 0, False
        self.begin = time.monotonic()
        self.threads = [threading.Thread(target=self.run, args=(i,), daemon=True) for i in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self, seed):
        source = random.Random(seed)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        while not self.stop:
            body = {"items": [of_tokens(self.tokens, source) for _ in range(self.pairs)]}
            connection.request("POST", "/batch", json.dumps(body), {"Content-Type": "application/json", "Accept": "application/x-ndjson"})
            reply = connection.getresponse()
            while not self.stop and (line := reply.readline()):
                self.done += b'"winner"' in line
        connection.close()

    def end(self):
        rate = self.done / (time.monotonic() - self.begin)
        self.stop = True
        for thread in self.threads:
            thread.join()
        return rate


def beside(port, seconds, source, out):
    out["alone"] += single_pairs(port, seconds / 4, source)
    bulk = Bulk(port, 2)
    time.sleep(seconds / 8)
    out["beside"] += single_pairs(port, seconds, source)
    out["bulk pairs/s"].append(bulk.end())


def bulk_alone(port, seconds, source, out):
    bulk = Bulk(port, 2)
    time.sleep(seconds)
    out["bulk alone pairs/s"].append(bulk.end())


def saturated(port, seconds):
    """Pairs per second of eight clients of /predict that never stop."""
    done, end = [0] * 8, time.monotonic() + seconds

    def run(i):
        source = random.Random(i)
        while time.monotonic() < end:
            done[i] += post(port, "/predict", of_tokens(300, source))[1] == 200

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(done))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / seconds


def poisson(port, rate, seconds, source, timeout_ms=None):
    """One row a request: its latency since it was due, status, milliseconds of its forward, and whether it was admitted after Retry-After."""
    rows, threads, begin = [], [], time.perf_counter()

    def ask(due, body, again):
        delay = due - time.perf_counter()
        if delay > 0:
            time.sleep(delay)
        _, status, headers, answer = post(port, "/predict", body)
        late, admitted = (time.perf_counter() - due) * 1e3, None
        if status == 429 and again:
            time.sleep(int(headers["Retry-After"]))
            admitted = post(port, "/predict", body)[1] != 429
        rows.append((late, status, answer["timing"]["forward_ms"] if status == 200 else None, admitted))

    due = begin
    while (due := due + source.expovariate(rate)) < begin + seconds:
        body = of_tokens(300, source) | ({"timeout_ms": timeout_ms} if timeout_ms else {})
        threads.append(threading.Thread(target=ask, args=(due, body, source.random() < .1)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return rows


def half(port, seconds, source, out):
    out["forward alone"] += [post(port, "/predict", of_tokens(300, source))[3]["timing"]["forward_ms"] for _ in range(10)]
    out["half"] += [row[0] for row in poisson(port, saturated(port, seconds / 2) / 2, seconds, source)]


def overload(port, seconds, source, out, timeout_ms):
    peak = saturated(port, seconds / 2)
    rows = poisson(port, 1.5 * peak, seconds, source, timeout_ms)
    good = [row[0] for row in rows if row[1] == 200]
    out["good"] += good
    out["goodput / peak"].append(len(good) / seconds / peak)
    out["statuses"] += [row[1] for row in rows]
    out["again"] += [row[3] for row in rows if row[3] is not None]


def mean(values):
    return sum(values) / len(values) if values else float("nan")


def tell(variant, out):
    print(f"variant '{variant}'")
    for name in ("alone", "beside", "forward alone", "half", "good"):
        if values := out.get(name):
            print(f"  {name:<14} {len(values):5} requests: p50 {quantile(values, .5):8.1f} ms  p90 {quantile(values, .9):8.1f}  p99 {quantile(values, .99):8.1f}")
    if out.get("beside"):
        print(f"  excess         {quantile(out['beside'], .9) - quantile(out['alone'], .5):8.1f} ms; bulk {mean(out['bulk pairs/s']):.2f} pairs/s")
    if out.get("bulk alone pairs/s"):
        print("  bulk alone     " + " ".join(f"{rate:.2f}" for rate in sorted(out["bulk alone pairs/s"])) + " pairs/s")
    if out.get("half"):
        forward = quantile(out["forward alone"], .5)
        print(f"  half / forward p50 {quantile(out['half'], .5) / forward:.2f}, p99 {quantile(out['half'], .99) / forward:.2f}")
    if out.get("goodput / peak"):
        again = out["again"]
        print(f"  goodput / peak {mean(out['goodput / peak']):.3f}; statuses {dict(collections.Counter(out['statuses']))}; again {mean(again):.2f} of {len(again)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20, help="of one measurement")
    parser.add_argument("--timeout-ms", type=int, default=3000, help="of the requests of overload")
    parser.add_argument("--variant", action="append", help="flags of a server, in one argument")
    parser.add_argument("modes", nargs="*", metavar="MODE", help="beside, bulk, half or overload")
    at = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    arguments = parser.parse_args(sys.argv[1:at])
    client.COMMAND[:] = sys.argv[at + 1:]
    modes = {"beside": beside, "bulk": bulk_alone, "half": half, "overload": lambda *a: overload(*a, arguments.timeout_ms)}
    results = {variant: collections.defaultdict(list) for variant in arguments.variant or [""]}
    for round in range(arguments.rounds):
        for variant, out in results.items():
            for mode in arguments.modes or modes:
                with client.Server(*variant.split()) as server:
                    source = random.Random(round)
                    for _ in range(3):
                        post(server.port, "/predict", of_tokens(200, source))
                    modes[mode](server.port, arguments.seconds, source, out)
    for variant, out in results.items():
        tell(variant, out)


if __name__ == "__main__":
    main()
