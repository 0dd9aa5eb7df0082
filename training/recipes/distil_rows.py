#!/usr/bin/env python3
"""Makes rows and soft labels for distilled.toml from folders of sources and a teacher's scores.

    distil_rows.py --labels LABELS --out OUT [--held SHARE] [--without SOURCE ...] [--also SOURCE ...] DATA [DATA ...]

DATA     folders with one folder per source, each with train.jsonl.gz (docs/training.md); a row's winner may be null
LABELS   a folder with SOURCE.jsonl.gz, one line per row: {"id", "s_a", "s_b", "seen"}, where s is the teacher's score of a
         response and seen is 2 if the teacher was trained on this pair
OUT      receives SOURCE/train.jsonl.gz, with only texts and votes, teacher.jsonl.gz, as `trainer label` writes it, and held.jsonl.gz
SHARE    of the arena's prompts whose rows are held out of training, in held.jsonl.gz, to choose runs on and to calibrate

A teacher is biased towards the votes that it was trained on: for pairs with seen 2 and a winner, LEAN is subtracted from the difference
of the scores, towards the other side. TEMPERATURE is the one that fits the teacher's validation rows.

Only the sources in LICENSED are read, with the licences that their publishers state; --also adds others, for a judge that is not published.
"""
import argparse, gzip, hashlib, json, math, os, sys

ARENA = "lmsys-55k"
LEAN = 0.273
TEMPERATURE = 0.9231
LICENSED = {
    "lmsys-55k": "Apache-2.0 on the data set's card",
    "hh-rlhf": "MIT",
    "llmfao": "CC-BY-4.0",
    "pandalm": "Apache-2.0",
    "qa-feedback": "Apache-2.0",
    "tulu-human-eval": "Apache-2.0",
    "llmbar": "MIT",
    "faireval-66": "MIT",
    "llmeval2-200": "MIT",
    "mt-bench-200": "MIT, CC-BY-4.0",
    "hhh-alignment": "Apache-2.0",
    "wmt23-da": "Apache-2.0",
    "alpaca-eval": "Apache-2.0",
    "arena-bench-v1": "Apache-2.0",
    "dpo-demo": "Apache-2.0",
    "ko-arena-hard": "Apache-2.0",
    "oasst1-en": "Apache-2.0",
    "oasst1-rebuilt": "Apache-2.0",
    "oasst1-zh": "Apache-2.0",
    "pool-m-arena-hard": "Apache-2.0",
    "pool-oasst-eval": "Apache-2.0",
    "pool-ru-arena": "Apache-2.0",
    "shaberi-ja": "Apache-2.0, questions MIT or Apache-2.0; without those of ELYZA-tasks-100, CC-BY-SA-4.0",
}
FIELDS = ("id", "prompt", "response_a", "response_b", "winner", "language", "source")


def is_left_out(row):
    return row["source"] == "shaberi-ja" and "elyza" in str(row.get("category", "")).lower()


def is_held(row, share):
    """By a hash of the prompt, so that all rows of one prompt are on one side."""
    first = hashlib.sha256(row["prompt"].encode("utf-8", "surrogatepass")).digest()[:4]
    return row["source"] == ARENA and int.from_bytes(first, "big") < share * 2**32


def rows_of(path):
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from (json.loads(line) for line in file)


def label_of(score, winner):
    difference = score["s_b"] - score["s_a"]
    if score["seen"] == 2:
        difference -= LEAN * {"model_b": 1, "model_a": -1}.get(winner, 0)
    p_b = 1 / (1 + math.exp(-difference / TEMPERATURE))
    return {"id": score["id"], "probabilities": {"model_a": round(1 - p_b, 6), "model_b": round(p_b, 6)}}


def main(arguments):
    wanted = [s for s in [*LICENSED, *arguments.also] if s not in arguments.without]
    missing = [s for s in wanted if not any(os.path.exists(f"{d}/{s}/train.jsonl.gz") for d in arguments.data)]
    if missing:
        sys.exit(f"distil_rows: no train.jsonl.gz of {', '.join(missing)} in {', '.join(arguments.data)}")
    os.makedirs(arguments.out, exist_ok=True)
    total = held = 0
    with (
        gzip.open(f"{arguments.out}/teacher.jsonl.gz", "wt", encoding="utf-8") as labels,
        gzip.open(f"{arguments.out}/held.jsonl.gz", "wt", encoding="utf-8") as held_out,
    ):
        for source in wanted:
            scores = {row["id"]: row for row in rows_of(f"{arguments.labels}/{source}.jsonl.gz")}
            folder = next(d for d in arguments.data if os.path.exists(f"{d}/{source}/train.jsonl.gz"))
            os.makedirs(f"{arguments.out}/{source}", exist_ok=True)
            count = 0
            with gzip.open(f"{arguments.out}/{source}/train.jsonl.gz", "wt", encoding="utf-8") as out:
                for row in rows_of(f"{folder}/{source}/train.jsonl.gz"):
                    if row["id"] not in scores or is_left_out(row):
                        continue
                    text = json.dumps({k: row.get(k) for k in FIELDS}, ensure_ascii=False) + "\n"
                    if is_held(row, arguments.held):
                        held_out.write(text)
                        held += 1
                        continue
                    out.write(text)
                    labels.write(json.dumps(label_of(scores[row["id"]], row.get("winner"))) + "\n")
                    count += 1
            total += count
            print(f"{source}: {count} rows")
    print(f"all: {total} rows, {held} held out")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", metavar="DATA")
    parser.add_argument("--labels", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--held", type=float, default=0, metavar="SHARE")
    parser.add_argument("--without", nargs="*", default=[], metavar="SOURCE")
    parser.add_argument("--also", nargs="*", default=[], metavar="SOURCE")
    main(parser.parse_args())
