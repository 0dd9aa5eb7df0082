#!/usr/bin/env python3
"""Measures pairs per minute through POST /batch, as fast as the server answers, on a `preferd serve` that it starts.

    batch_bench.py [--clients 8] [--items 256] [--tokens 300] [--seconds 20] COMMAND...     e.g. preferd serve --device cuda

Clients are processes, each with two requests in flight; bodies are made beforehand from random English words, so that a
pair has about --tokens tokens in both sequences together; the actual number is read from the replies. Prints one JSON line.
Standard library only.
"""
import argparse, http.client, json, multiprocessing, pathlib, random, subprocess, sys, threading, time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from http_bench import text


def pair(words, source):
    return {"prompt": text(words // 5, source), "response_a": text(words * 2 // 5, source), "response_b": text(words * 2 // 5, source)}


def post(connection, body):
    connection.request("POST", "/batch", body, {"content-type": "application/json"})
    reply = connection.getresponse()
    data = reply.read()
    if reply.status != 200:
        raise SystemExit(f"/batch answers {reply.status}: {data[:300]!r}")
    return json.loads(data)


def wait_until_ready(server, port):
    for _ in range(1200):
        if server.poll() is not None:
            raise SystemExit("the server ended")
        try:
            probe = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            probe.request("GET", "/readyz")
            if probe.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit("the server is not ready after two minutes")


def client(port, bodies, items, start, end, done):
    def send(offset):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        start.wait()
        i = offset
        while time.monotonic() < end.value:
            post(connection, bodies[i % len(bodies)])
            if time.monotonic() < end.value:
                with done.get_lock():
                    done.value += items
            i += 1
    threads = [threading.Thread(target=send, args=(k,)) for k in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=8), parser.add_argument("--items", type=int, default=256)
    parser.add_argument("--tokens", type=int, default=300), parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--port", type=int, default=8137), parser.add_argument("command", nargs=argparse.REMAINDER)
    a = parser.parse_args()
    server = subprocess.Popen([*a.command, "--port", str(a.port), "--log-level", "warning"])
    try:
        wait_until_ready(server, a.port)
        source = random.Random(1)
        connection = http.client.HTTPConnection("127.0.0.1", a.port, timeout=120)
        words = a.tokens
        for _ in range(3):  # a word is about a token, and a prompt may be read twice
            reply = post(connection, json.dumps({"items": [pair(words, source) for _ in range(32)]}))
            mean = sum(i["tokens"]["total"] for i in reply["results"]) / 32
            words = max(10, round(words * a.tokens / mean))
        bodies = [json.dumps({"items": [pair(words, source) for _ in range(a.items)]}) for _ in range(8)]
        start, end, done = multiprocessing.Event(), multiprocessing.Value("d", 0), multiprocessing.Value("q", 0)
        clients = [multiprocessing.Process(target=client, args=(a.port, bodies, a.items, start, end, done)) for _ in range(a.clients)]
        for c in clients:
            c.start()
        time.sleep(1)
        begin = time.monotonic()
        end.value = begin + a.seconds
        start.set()
        for c in clients:
            c.join()
        info = http.client.HTTPConnection("127.0.0.1", a.port, timeout=30)
        info.request("GET", "/info")
        info = json.loads(info.getresponse().read())
        print(json.dumps({"device": info.get("device"), "compute": info.get("compute"), "tokens_per_pair": round(mean, 1), "pairs": done.value,
                          "pairs_per_minute": round(done.value / a.seconds * 60), "clients": a.clients, "items": a.items}))
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
