#!/usr/bin/env python3
"""What HTTP adds to a forward: sequential POST /predict against a started `preferd serve` on 127.0.0.1.

    http_bench.py [--requests N] COMMAND...      e.g. http_bench.py build/preferd serve --threads 1

Each reply is asked for its `timing`. overhead is the client's latency minus `forward_ms` of that same request; encode and
queue, as the server reports them, are parts of it. fraction: median forward / median latency. Standard library only.
"""
import argparse
import http.client
import json
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/e2e"))
import client

WORDS = ("the of and to in is that it was for on are as with they at this have from or had by but some what there we can "
         "other were all your when use how said each which their time will way about many then write would like").split()


def text(words, source):
    return " ".join(source.choice(WORDS) for _ in range(words)).capitalize() + "."


def pair(words, source):
    return {"prompt": text(words // 5, source), "response_a": text(words * 2 // 5, source),
            "response_b": text(words * 2 // 5, source), "return": ["timing"]}


def quantile(values, q):
    return sorted(values)[min(len(values) - 1, int(q * len(values)))]


def measure(port, words, requests):
    source, rows = random.Random(words), []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    for i in range(requests + 3):
        body = json.dumps(pair(words, source))
        begin = time.perf_counter()
        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        answer = json.loads(reply.read())
        latency = (time.perf_counter() - begin) * 1e3
        if reply.status != 200:
            sys.exit(f"http_bench: status {reply.status}: {answer}")
        if i >= 3:  # the first ones warm up
            t = answer["timing"]
            rows.append((latency, t["forward_ms"], latency - t["forward_ms"], t["encode_ms"], t["queue_ms"]))
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=100)
    arguments, client.COMMAND[:] = parser.parse_known_args()
    names = ("latency", "forward", "overhead", "encode", "queue")
    print(f"{'POST /predict, ms':<24}" + "".join(f"{n + ' p50':>14}{'p99':>9}" for n in names) + f"{'fraction':>10}")
    with client.Server() as server:
        for words in (75, 250):
            columns = list(zip(*measure(server.port, words, arguments.requests)))
            cells = "".join(f"{quantile(c, 0.5):>14.2f}{quantile(c, 0.99):>9.2f}" for c in columns)
            print(f"{f'{words} words':<24}{cells}{quantile(columns[1], 0.5) / quantile(columns[0], 0.5):>10.3f}", flush=True)


if __name__ == "__main__":
    main()
