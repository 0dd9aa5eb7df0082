#!/usr/bin/env python3
"""The peak memory of `preferd serve` with the embedded package, compared with a process that has loaded libtorch.

    memory.py [--rounds N] BUILD [flags of preferd serve]       e.g. memory.py build --threads 2

Sends POST /batch and POST /predict at once, with pairs of 1,900 to 2,000 tokens, so that forwards are full: 4,096 tokens.
Prints VmHWM after loading and after the traffic, and how much is anonymous or backed by files at the end, in MB of 10^6 bytes.
Standard library only.
"""
import argparse
import pathlib
import random
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests/e2e"))
sys.path.insert(0, str(HERE))
import client
import http_bench


def pair(source):
    """Two sequences of nearly 1,024 tokens: two such pairs fill a forward."""
    return {"prompt": http_bench.text(16, source), "response_a": http_bench.text(970, source),
            "response_b": http_bench.text(970, source)}


def status(pid):
    with open(f"/proc/{pid}/status") as f:
        return {k: int(v.split()[0]) * 1024 / 1e6 for k, v in (l.split(":") for l in f) if k.startswith(("VmHWM", "Rss"))}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("build", type=pathlib.Path)
    arguments, flags = parser.parse_known_args()
    bare = int(subprocess.run([str(arguments.build / "preferd_bare")], check=True, capture_output=True).stdout) * 1024 / 1e6
    client.COMMAND[:] = [str(arguments.build / "preferd"), "serve", *flags]
    source = random.Random(1)
    with client.Server() as server:
        loaded = status(server.process.pid)["VmHWM"]

        def traffic(kind):
            connection = client.Client(server, timeout=600)
            for _ in range(arguments.rounds):
                if kind == "batch":
                    reply = connection.batch({"items": [pair(source) for _ in range(5)]})
                else:
                    reply = connection.predict(pair(source))
                client.check(reply.status == 200, str(reply.body))

        threads = [threading.Thread(target=traffic, args=(kind,)) for kind in ("batch", "predict", "predict")]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        largest = server.metric("preferd_batch_tokens_sum") / max(1, server.metric("preferd_batch_tokens_count"))
        end = status(server.process.pid)
    print(f"libtorch alone {bare:.0f} MB; serve: loaded {loaded:.0f}, after traffic {end['VmHWM']:.0f}, "
          f"of it above libtorch alone {end['VmHWM'] - bare:.0f}; at the end anonymous {end['RssAnon']:.0f}, "
          f"of files {end['RssFile']:.0f}; mean batch {largest:.0f} tokens")


if __name__ == "__main__":
    main()
