#!/usr/bin/env python3
"""Pairs that nobody voted on, for a teacher to label: two responses that different rows gave to one prompt.

    more_pairs.py OUT.jsonl.gz ROWS.jsonl.gz [ROWS.jsonl.gz ...]

A prompt gives at most 10 pairs: those with the smallest hashes.
"""
import collections, gzip, hashlib, itertools, json, sys

PER_PROMPT = 10


def main():
    out, *files = sys.argv[1:]
    responses, known = collections.defaultdict(dict), set()
    for file in files:
        for line in gzip.open(file, "rt"):
            row = json.loads(line)
            prompt = json.dumps(row["prompt"])
            pair = [json.dumps(row[side]) for side in ("response_a", "response_b")]
            for response in pair:
                responses[prompt].setdefault(response, row["language"])
            known.add((prompt, *sorted(pair)))
    rows = []
    for prompt, said in responses.items():
        new = []
        for a, b in itertools.combinations(sorted(said), 2):
            if (prompt, a, b) not in known:
                new.append((hashlib.sha256("\0".join((prompt, a, b)).encode()).hexdigest(), a, b))
        for name, a, b in sorted(new)[:PER_PROMPT]:
            rows.append({"id": "cross-" + name[:16], "prompt": json.loads(prompt), "response_a": json.loads(a),
                         "response_b": json.loads(b), "language": said[a], "source": "cross"})
    with gzip.GzipFile(out, "wb", mtime=0) as f:
        for row in rows:
            f.write((json.dumps(row, ensure_ascii=False) + "\n").encode())
    print(len(rows), "pairs")


main()
