#!/usr/bin/env python3
"""POST /rank against POST /predict, on packages of every kind: what they say of two responses is the same, to the bit.

    rank.py BUILD FIXTURES
"""
import contextlib
import http.client
import itertools
import json
import random
import re
import subprocess
import sys
import time
import unittest
from pathlib import Path

BUILD, FIXTURES = Path(sys.argv.pop(1)), Path(sys.argv.pop(1))
PROMPT = "Why is the sky blue? Please say it so that a child of six understands it, in one sentence or two."
RESPONSES = ["Air scatters blue light more than red light.", "", "It is not.", "Because God likes blue, and so do I.",
             "Air scatters blue light more than red light.", "It is " + "very " * 200 + "blue."]
FREE_OF_ORDER = ("rank", "reward", "score", "advantage", "tokens", "truncated")


class Server:
    def __init__(self, package, *flags):
        self.process = subprocess.Popen([BUILD / "preferd", "serve", "--package", FIXTURES / "packages" / package, "--port", "0", *flags],
                                        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "event=listening" in line: self.port = int(re.search(r"port=(\d+)", line)[1])
            if "event=loaded" in line: break
        while self.get("/readyz") != 200: time.sleep(.02)

    def __enter__(self): return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate()

    def get(self, path):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as c:
            c.request("GET", path)
            return c.getresponse().status

    def post(self, path, body):
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as c:
            c.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            reply = c.getresponse()
            return reply.status, json.loads(reply.read())


def ranked(server, responses=RESPONSES, **more):
    status, body = server.post("/rank", {"prompt": PROMPT, "responses": responses, **more})
    assert status == 200, body
    return body


class Rank(unittest.TestCase):
    def agrees(self, package, **more):
        """The matrix is that of /predict, and no number depends on the order of the list."""
        with Server(package) as server:
            all_of_them = ranked(server, **{"return": ["matrix"]}, **more)
            for i, j in itertools.combinations(range(len(RESPONSES)), 2):
                a, b = sorted((RESPONSES[i], RESPONSES[j])) if more.get("swap") == "none" else (RESPONSES[i], RESPONSES[j])
                asked = {"swap": "average", **more, **({"swap": "average"} if a == b else {})}
                status, pair = server.post("/predict", {"prompt": PROMPT, "response_a": a, "response_b": b, **asked})
                self.assertEqual(status, 200, pair)
                p = pair["probabilities"]
                wins = [p["model_a"] + p.get("tie", 0) / 2, p["model_b"] + p.get("tie", 0) / 2]
                if a != RESPONSES[i]: wins.reverse()
                for got, want in zip((all_of_them["matrix"][i][j], all_of_them["matrix"][j][i]), wins):
                    if "tie" in p: self.assertAlmostEqual(got, want, 6)
                    else: self.assertEqual(got, want, f"{package} {i} {j}")
            results = all_of_them["results"]
            self.assertEqual(results[0]["score"], results[4]["score"])
            self.assertIn([0, 4], [sorted(t) for t in all_of_them["ties"]])
            self.assertAlmostEqual(sum(r["advantage"] for r in results), 0, 5)
            self.assertEqual(all_of_them["ranking"], sorted(range(len(results)), key=lambda k: (-results[k]["score"], k)))
            generator = random.Random(3)
            for _ in range(3):
                order = generator.sample(range(len(RESPONSES)), len(RESPONSES))
                other = ranked(server, [RESPONSES[k] for k in order], **more)
                for place, k in enumerate(order):
                    for key in FREE_OF_ORDER:
                        self.assertEqual(other["results"][place].get(key), results[k].get(key), (package, key))
            return results

    def test_rewards(self):
        results = self.agrees("qwen3")
        self.assertIn("response", results[5]["truncated"])
        self.assertTrue(all("reward" in r for r in results))

    def test_rewards_that_compare_features(self):
        self.assertTrue(all("reward" in r for r in self.agrees("arena63_v2")))

    def test_pairs(self):
        self.assertFalse(any("reward" in r for r in self.agrees("dense")))
        self.agrees("dense", swap="none")

    def test_pairs_with_ties(self):
        self.agrees("arena63_v2_siamese")

    def test_bad_calls(self):
        with Server("dense", "--rank-pairs", "3") as server:
            for body, status, param in [
                    ({"responses": ["a", "b"]}, 422, "prompt"),
                    ({"prompt": "p", "responses": ["a"]}, 422, "responses"),
                    ({"prompt": "p", "responses": ["a"] * 65}, 422, "responses"),
                    ({"prompt": "p", "responses": ["a", None]}, 422, "responses[1]"),
                    ({"prompt": "p", "responses": ["a", "b"], "return": ["logits"]}, 422, "return[0]"),
                    ({"prompt": "p", "responses": ["a", "b"], "adapter": "none"}, 422, "adapter"),
                    ({"prompt": "p", "responses": ["a", "b"], "response_a": "c"}, 422, "response_a"),
                    ({"prompt": "p", "responses": ["word " * 500, "b"], "truncate": "error"}, 413, "truncate"),
                    ({"prompt": "p", "responses": ["a", "b", "c", "d"]}, 413, "responses")]:
                got, reply = server.post("/rank", body)
                self.assertIn((got, reply["error"].get("param")), [(status, param), (404, param), (422, param)], reply)
            self.assertEqual(len(ranked(server, ["a", "b", "c"])["ranking"]), 3)


if __name__ == "__main__":
    unittest.main()
