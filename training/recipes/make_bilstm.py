#!/usr/bin/env python3
"""A bilstm base with random weights, for method full: an embedding and bidirectional LSTM layers, drawn as PyTorch draws them.

    make_bilstm.py --tokenizer FOLDER --vocabulary N --out BASE [--embedding 768] [--hidden 64 32] [--seed 1]

FOLDER holds tokenizer.json or a SentencePiece .model, N must be above its largest id. Standard library only; an embedding of 250,000
rows takes minutes.
"""
import argparse, array, json, math, pathlib, random, shutil, struct, sys


def uniform(draw, count, limit):
    return array.array("f", (draw.uniform(-limit, limit) for _ in range(count)))


def tensors(vocabulary, embedding, hidden, draw):
    """Name, shape, values; the embedding with the deviation of a standard normal."""
    yield "embedding.weight", [vocabulary, embedding], uniform(draw, vocabulary * embedding, math.sqrt(3))
    width = embedding
    for layer, size in enumerate(hidden):
        limit = 1 / math.sqrt(size)
        for way in ("", "_reverse"):
            for name, shape in (("weight_ih", [4 * size, width]), ("weight_hh", [4 * size, size]), ("bias_ih", [4 * size]), ("bias_hh", [4 * size])):
                yield f"lstm.{layer}.{name}_l0{way}", shape, uniform(draw, math.prod(shape), limit)
        width = 2 * size


def write(path, found):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, shape, values in found:
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + 4 * len(values)]}
        at += 4 * len(values)
    head = json.dumps(header, separators=(",", ":")).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head)
        for _, _, values in found:
            if sys.byteorder == "big":
                values.byteswap()
            values.tofile(f)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tokenizer", required=True, type=pathlib.Path)
    p.add_argument("--vocabulary", required=True, type=int)
    p.add_argument("--out", required=True, type=pathlib.Path)
    p.add_argument("--embedding", type=int, default=768)
    p.add_argument("--hidden", type=int, nargs="+", default=[64, 32])
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    a.out.mkdir(parents=True)
    for file in a.tokenizer.iterdir():
        if file.name.startswith("tokenizer") or file.suffix == ".model" or file.name == "special_tokens_map.json":
            shutil.copy(file, a.out)
    config = {"model_type": "bilstm", "vocab_size": a.vocabulary, "embedding_size": a.embedding, "hidden_sizes": a.hidden}
    (a.out / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    write(a.out / "model.safetensors", list(tensors(a.vocabulary, a.embedding, a.hidden, random.Random(a.seed))))


if __name__ == "__main__":
    main()
