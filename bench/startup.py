#!/usr/bin/env python3
"""What a cold `preferd compare` adds to loading libtorch and one forward.

    startup.py [--rounds N] [--words N] BUILD       e.g. startup.py build

Alternates `preferd compare` of one pair by the embedded package with preferd_bare, which loads libtorch and makes one
tensor. The forward is `forward_ms` of the same pair from a warm `preferd serve`. Prints medians in ms, and compares them
with the bound 1.5 * (bare + forward + 150). Standard library only.
"""
import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests/e2e"))
sys.path.insert(0, str(HERE))
import client
import http_bench


def milliseconds(command):
    begin, before = time.perf_counter(), os.times()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return (time.perf_counter() - begin) * 1e3, cpu * 1e3


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--words", type=int, default=20)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("build", type=pathlib.Path)
    arguments = parser.parse_args()
    preferd, threads = str(arguments.build / "preferd"), str(arguments.threads)
    pair = http_bench.pair(arguments.words, random.Random(1))
    compare = [preferd, "compare", "--threads", threads, "--prompt", pair["prompt"], "--response-a", pair["response_a"],
               "--response-b", pair["response_b"]]
    bare = [str(arguments.build / "preferd_bare")]
    client.COMMAND[:] = [preferd, "serve", "--threads", threads]
    rows = []
    with client.Server() as server:
        connection = client.Client(server, timeout=60)
        for i in range(arguments.rounds + 2):
            forward = json.loads(connection.predict(pair).body)["timing"]["forward_ms"]
            row = (*milliseconds(compare), *milliseconds(bare), forward)
            if i >= 2:
                rows.append(row)
    wall, cpu, bare_wall, bare_cpu, forward = (statistics.median(column) for column in zip(*rows))
    bound = 1.5 * (bare_wall + forward + 150)
    print(f"compare {wall:.0f} ms (CPU {cpu:.0f}), libtorch alone {bare_wall:.0f} (CPU {bare_cpu:.0f}), forward {forward:.0f}; "
          f"1.5 * (libtorch + forward + 150) = {bound:.0f}; compare / bound {wall / bound:.2f}")


if __name__ == "__main__":
    main()
