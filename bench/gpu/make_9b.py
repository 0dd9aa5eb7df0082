#!/usr/bin/env python3
"""A package of Gemma-2-9B's shape with random weights, and rows for it with a known number of tokens.

    make_9b.py package FOLDER [--layers 42] [--rank 16] [--max-tokens 4096]     NF4, LoRA on q, k, v, a head of 3 outputs; 6.6 GB
    make_9b.py rows FILE [--count 64] [--tokens 2048] [--at-least N]            JSON Lines; lengths from N to --tokens; without --at-least all have --tokens

Standard library only.
"""
import argparse, json, pathlib, sys, time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import gemma_9b


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = p.add_subparsers(dest="part", required=True)
    package = parts.add_parser("package")
    package.add_argument("folder", type=pathlib.Path)
    package.add_argument("--layers", type=int, default=gemma_9b.LAYERS), package.add_argument("--rank", type=int, default=16)
    package.add_argument("--max-tokens", type=int, default=4096)
    rows = parts.add_parser("rows")
    rows.add_argument("file", type=pathlib.Path)
    rows.add_argument("--count", type=int, default=64), rows.add_argument("--tokens", type=int, default=2048), rows.add_argument("--at-least", type=int)
    a = p.parse_args()
    start = time.monotonic()
    if a.part == "rows":
        a.file.write_text("".join(json.dumps(r) + "\n" for r in gemma_9b.rows(a.count, a.tokens, a.at_least)))
    else:
        gemma_9b.write_package(a.folder, a.layers, outputs=3, r=a.rank, max_tokens=a.max_tokens)
        size = sum(f.stat().st_size for f in a.folder.rglob("*") if f.is_file())
        print(f"{a.layers} layers, {size / 1e9:.2f} GB in {time.monotonic() - start:.1f} s")


main()
