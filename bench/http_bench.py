#!/usr/bin/env python3
"""What HTTP adds to a forward: sequential POST /predict requests to a `preferd serve` that it starts on 127.0.0.1.

    http_bench.py [--requests N] [--scorer BENCH] COMMAND...      e.g. http_bench.py build/preferd serve --threads 1
    http_bench.py --rows FILE [--clients 1,16] COMMAND...         pairs of a file of JSON Lines, from that many clients at once

Each request asks for `timing`. overhead is the client's latency minus `forward_ms` of the same request; encode and
queue, as the server reports them, are parts of it. fraction: median forward / median latency. With --scorer
build/preferd_bench the scorer alone runs between the requests, in processes of its own (`score/pairs:1/tokens:300`, its
best turn); compare it with the p50 of pairs of as many tokens, which includes the scorer's slow turns. --rows also gives
pairs per second; its forward is that of the batch that a request was part of. Standard library only.
"""
import argparse
import concurrent.futures
import http.client
import json
import os
import pathlib
import random
import subprocess
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


def ask(connection, body):
    """Milliseconds and the answer."""
    begin = time.perf_counter()
    connection.request("POST", "/predict", json.dumps(body), {"Content-Type": "application/json"})
    reply = connection.getresponse()
    answer = json.loads(reply.read())
    latency = (time.perf_counter() - begin) * 1e3
    if reply.status != 200:
        sys.exit(f"http_bench: status {reply.status}: {answer}")
    return latency, answer


def measure(port, words, requests):
    source, rows = random.Random(words), []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    for i in range(requests + 3):
        latency, answer = ask(connection, pair(words, source))
        if i >= 3:  # the first ones warm up
            t = answer["timing"]
            rows.append((latency, t["forward_ms"], latency - t["forward_ms"], t["encode_ms"], t["queue_ms"]))
    return rows


def measure_rows(port, bodies, clients, requests):
    """Rows as measure() gives them, and the seconds that all took."""
    def work(mine):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        return [ask(connection, body) for body in mine]

    def run(count):
        each = [[bodies[i % len(bodies)] for i in range(c, count, clients)] for c in range(clients)]
        with concurrent.futures.ThreadPoolExecutor(clients) as pool:
            return [answer for part in pool.map(work, each) for answer in part]

    run(3 * clients)
    begin = time.perf_counter()
    answers = run(requests)
    seconds = time.perf_counter() - begin
    rows = [(latency, t["forward_ms"], latency - t["forward_ms"], t["encode_ms"], t["queue_ms"]) for latency, t in ((ms, a["timing"]) for ms, a in answers)]
    return rows, seconds


def scorer_ms(bench, threads):
    """The best turn of a pair of 300 tokens."""
    out = subprocess.run([bench, f"--benchmark_filter=score/pairs:1/tokens:300/threads:{threads}", "--benchmark_format=json"],
                         check=True, capture_output=True, text=True).stdout
    return json.loads(out[out.index("{"):])["benchmarks"][0]["real_time"]


def beside_scorer(port, bench, threads, requests):
    source = random.Random(300)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    body = pair(250, source)
    total = ask(connection, body)[1]["tokens"]["total"]
    latencies, forwards, alone = [], [], []
    for _ in range(3):
        alone.append(scorer_ms(bench, threads))
        for _ in range(requests // 3):
            latency, answer = ask(connection, body)
            latencies.append(latency)
            forwards.append(answer["timing"]["forward_ms"])
    p50, forward, scorer = quantile(latencies, 0.5), quantile(forwards, 0.5), quantile(alone, 0.5) * total / 300
    print(f"{total} tokens: latency p50 {p50:.1f} ms, forward in the server {forward:.1f}, the scorer alone {scorer:.1f}; "
          f"latency / forward {p50 / forward:.3f}, latency / scorer alone {p50 / scorer:.3f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--scorer", help="preferd_bench, to be run between the requests")
    parser.add_argument("--rows", help="pairs to ask for, JSON Lines")
    parser.add_argument("--clients", default="1", help="how many at once, with --rows; several numbers are measured in turn")
    arguments, client.COMMAND[:] = parser.parse_known_args()
    names = ("latency", "forward", "overhead", "encode", "queue")
    print(f"{'POST /predict, ms':<24}" + "".join(f"{n + ' p50':>14}{'p99':>9}" for n in names) + f"{'fraction':>10}")
    def line(name, rows, more=""):
        columns = list(zip(*rows))
        cells = "".join(f"{quantile(c, 0.5):>14.2f}{quantile(c, 0.99):>9.2f}" for c in columns)
        print(f"{name:<24}{cells}{quantile(columns[1], 0.5) / quantile(columns[0], 0.5):>10.3f}{more}", flush=True)

    with client.Server() as server:
        if arguments.rows:
            with open(arguments.rows) as file:
                bodies = [{k: v for k, v in json.loads(text).items() if k != "id"} | {"return": ["timing"]} for text in file]
            for clients in map(int, arguments.clients.split(",")):
                rows, seconds = measure_rows(server.port, bodies, clients, max(arguments.requests, clients))
                line(f"{clients} clients", rows, f"   {len(rows) / seconds:.2f} pairs/s")
            return
        for words in (75, 250):
            line(f"{words} words", measure(server.port, words, arguments.requests))
        if arguments.scorer:
            at = client.COMMAND.index("--threads") + 1 if "--threads" in client.COMMAND else 0
            threads = client.COMMAND[at] if at else len(os.sched_getaffinity(0))
            beside_scorer(server.port, arguments.scorer, threads, arguments.requests)


if __name__ == "__main__":
    main()
