#!/usr/bin/env python3
"""Exchanges the two responses of rows, and their labels: for training a judge that only ever sees them in that order.

    exchange_responses.py ROWS.jsonl|csv[.gz] OUT.jsonl[.gz]
"""
import csv, gzip, json, sys

PAIRS = (("response_a", "response_b"), ("model_a", "model_b"), ("winner_model_a", "winner_model_b"))
WINNERS = {"model_a": "model_b", "model_b": "model_a"}


def exchanged(row):
    row = dict(row)
    for a, b in PAIRS:
        if a in row or b in row:
            row[a], row[b] = row.get(b), row.get(a)
    if "winner" in row:
        row["winner"] = WINNERS.get(row["winner"], row["winner"])
    if "p_b" in row:
        row["p_b"] = 1 - row["p_b"] - row.get("p_tie", 0)
    return row


def rows_of(path, file):
    if ".csv" in path.rsplit("/", 1)[-1]:
        csv.field_size_limit(1 << 30)
        for row in csv.DictReader(file):
            yield {k: int(v) if k.startswith("winner_") else v for k, v in row.items()}
    else:
        yield from (json.loads(line) for line in file if line.strip())


def main(source, target):
    opened = lambda path, mode: (gzip.open if path.endswith(".gz") else open)(path, mode, encoding="utf-8", newline="")
    with opened(source, "rt") as rows, opened(target, "wt") as out:
        for row in rows_of(source, rows):
            out.write(json.dumps(exchanged(row), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
