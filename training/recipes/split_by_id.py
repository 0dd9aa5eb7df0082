#!/usr/bin/env python3
"""Splits rows into two halves by a hash of their id: one half to choose runs on, the other to report on.

    split_by_id.py OUT ROWS.jsonl.gz [ROWS.jsonl.gz ...]      writes OUT/choose.jsonl.gz and OUT/report.jsonl.gz

A row goes to `choose` if the first byte of SHA-256(id) is even.
"""
import gzip, hashlib, json, os, sys


def main(out, paths):
    os.makedirs(out, exist_ok=True)
    with gzip.open(f"{out}/choose.jsonl.gz", "wt") as choose, gzip.open(f"{out}/report.jsonl.gz", "wt") as report:
        for path in paths:
            with gzip.open(path, "rt") as rows:
                for line in rows:
                    first = hashlib.sha256(str(json.loads(line)["id"]).encode()).digest()[0]
                    (report if first % 2 else choose).write(line)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
