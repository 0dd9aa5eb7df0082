#!/usr/bin/env python3
"""How long a 9B takes from start to ready, beside reading its files from the page cache in the same run.

    load_9b.py PREFERD FOLDER [--layers 42] [--golden] [--keep]

Makes a package of Gemma-2-9B's shape under FOLDER (NF4 files of random bytes, bf16 embedding, 6.6 GB, four shards,
a small tokenizer), reads it once, then times `cat` of its files and `preferd serve` from start to /readyz 200, and
prints VmHWM. With --golden the same again with 16 golden pairs of a few tokens, scored before it is ready. Removes
what it made, unless --keep. Expected: ready <= 1.5 x cat + 10 s without golden pairs. Takes 7 GB of disk and of page
cache; standard library only.
"""
import argparse, http.client, json, os, pathlib, re, shutil, signal, socket, struct, subprocess, time

HIDDEN, FFN, HEADS, KV, DIM, VOCAB, BLOCK = 3584, 14336, 16, 8, 256, 256000, 64
CHUNK = 1 << 22
TOKENIZER = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures/packages/gemma2_nf4_lora/base"
NF4 = [-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0,
       0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0]


def interleaved(*columns):
    out = bytearray(len(columns) * len(columns[0]))
    for i, c in enumerate(columns):
        out[i::len(columns)] = c
    return bytes(out)


RANDOM = os.urandom(CHUNK)
# bf16 of either sign around 0.01 to 0.03; fp32 around 0.008 to 0.016
BF16 = interleaved(os.urandom(CHUNK // 2), os.urandom(CHUNK // 2).translate(bytes([0x3C, 0xBC] * 128)))
FP32 = interleaved(os.urandom(CHUNK // 4), os.urandom(CHUNK // 4), os.urandom(CHUNK // 4).translate(bytes(i & 0x7F for i in range(256))), b"\x3c" * (CHUNK // 4))


def tensors(layers):
    """(name, dtype, shape, pattern or bytes) of the checkpoint, in order."""
    yield "model.embed_tokens.weight", "BF16", [VOCAB, HIDDEN], BF16
    yield "model.norm.weight", "BF16", [HIDDEN], BF16
    for i in range(layers):
        at = f"model.layers.{i}."
        for name, out, into in (("self_attn.q_proj", HEADS * DIM, HIDDEN), ("self_attn.k_proj", KV * DIM, HIDDEN), ("self_attn.v_proj", KV * DIM, HIDDEN),
                                ("self_attn.o_proj", HIDDEN, HEADS * DIM), ("mlp.gate_proj", FFN, HIDDEN), ("mlp.up_proj", FFN, HIDDEN), ("mlp.down_proj", HIDDEN, FFN)):
            w = at + name + ".weight"
            yield w, "U8", [out * into // 2, 1], RANDOM
            yield w + ".absmax", "F32", [out * into // BLOCK], FP32
            yield w + ".quant_map", "F32", [16], struct.pack("<16f", *NF4)
            state = json.dumps({"quant_type": "nf4", "blocksize": BLOCK, "dtype": "bfloat16", "shape": [out, into]}).encode()
            yield w + ".quant_state.bitsandbytes__nf4", "U8", [len(state)], state
        for name in ("input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"):
            yield at + name + ".weight", "BF16", [HIDDEN], BF16


def size_of(dtype, shape):
    n = {"U8": 1, "BF16": 2, "F32": 4}[dtype]
    for s in shape:
        n *= s
    return n


def write_base(folder, layers):
    shards, filled = [[]], 0
    for t in tensors(layers):
        n = size_of(*t[1:3])
        if filled + n > 2_000_000_000:
            shards.append([])
            filled = 0
        shards[-1].append(t)
        filled += n
    index = {}
    for i, shard in enumerate(shards):
        file = f"model-{i + 1:05d}-of-{len(shards):05d}.safetensors"
        shard.sort(key=lambda t: ({"F32": 0, "BF16": 1, "U8": 2}[t[1]], t[0]))
        header, at = {}, 0
        for name, dtype, shape, _ in shard:
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size_of(dtype, shape)]}
            at += size_of(dtype, shape)
            index[name] = file
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with open(folder / file, "wb") as f:
            f.write(struct.pack("<Q", len(text)) + text)
            for _, dtype, shape, pattern in shard:
                left = size_of(dtype, shape)
                while left > 0:
                    left -= f.write(pattern[:left])
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    config = {"model_type": "gemma2", "hidden_size": HIDDEN, "intermediate_size": FFN, "num_hidden_layers": layers, "num_attention_heads": HEADS,
              "num_key_value_heads": KV, "head_dim": DIM, "vocab_size": VOCAB, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "query_pre_attn_scalar": 256,
              "hidden_activation": "gelu_pytorch_tanh", "sliding_window": 4096, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0,
              "max_position_embeddings": 8192, "tie_word_embeddings": True, "quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}
    (folder / "config.json").write_text(json.dumps(config))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(TOKENIZER / name, folder)


def write_package(folder, layers):
    (folder / "base").mkdir(parents=True)
    write_base(folder / "base", layers)
    data = BF16[:2 * HIDDEN]
    header = json.dumps({"layers.0.weight": {"dtype": "BF16", "shape": [1, HIDDEN], "data_offsets": [0, len(data)]}}).encode()
    (folder / "head.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + data)
    manifest = {"format": "preferd-package/1", "name": "load-9b", "base": {"path": "base"}, "quantization": {"scheme": "nf4"},
                "input": {"layout": "pair", "template": [{"field": "prompt"}, {"field": "response_a"}, {"field": "response_b"}], "max_tokens": 2048},
                "head": {"file": "head.safetensors", "layers": [{"type": "linear", "in": HIDDEN, "out": 1, "bias": False}], "output": "sigmoid_b"}}
    (folder / "package.json").write_text(json.dumps(manifest))


def add_golden(preferd, folder):
    rows, out = folder / "rows.jsonl", folder / "scored.jsonl"
    pairs = [{"id": i, "prompt": "ab"[i % 2], "response_a": chr(97 + i), "response_b": chr(98 + i)} for i in range(16)]
    rows.write_text("".join(json.dumps(p) + "\n" for p in pairs))
    subprocess.run([preferd, "score", "--package", folder, "--input", rows, "--output", out, "--quiet"], check=True)
    logits = [json.loads(line)["logits"] for line in out.read_text().splitlines()]
    (folder / "golden.jsonl").write_text("".join(json.dumps(p | {"logits": z}) + "\n" for p, z in zip(pairs, logits)))
    manifest = json.loads((folder / "package.json").read_text())
    (folder / "package.json").write_text(json.dumps(manifest | {"golden": "golden.jsonl"}))


def cat(folder):
    start = time.monotonic()
    with open(os.devnull, "wb") as null:
        subprocess.run(["cat", *sorted(p for p in folder.rglob("*") if p.is_file())], stdout=null, check=True)
    return time.monotonic() - start


def ready(preferd, folder):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    start = time.monotonic()
    server = subprocess.Popen([preferd, "serve", "--package", folder, "--port", str(port)], stderr=subprocess.DEVNULL)
    try:
        while server.poll() is None and time.monotonic() - start < 900:
            try:
                c = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                c.request("GET", "/readyz")
                if c.getresponse().status == 200:
                    took = time.monotonic() - start
                    status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
                    return took, {k: int(re.search(k + r":\s+(\d+)", status)[1]) / 1e6 for k in ("VmHWM", "RssAnon", "RssFile")}
            except OSError:
                pass
            time.sleep(0.02)
        raise SystemExit(f"not ready; exit code {server.poll()}")
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def report(preferd, folder, what):
    before = min(cat(folder) for _ in range(2))
    took, memory = ready(preferd, folder)
    print(f"{what}: ready after {took:.2f} s, reading the files {before:.2f} s, bound {1.5 * before + 10:.2f} s; "
          + ", ".join(f"{k} {v:.2f} GB" for k, v in memory.items()), flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("preferd"), p.add_argument("folder", type=pathlib.Path)
    p.add_argument("--layers", type=int, default=42), p.add_argument("--golden", action="store_true"), p.add_argument("--keep", action="store_true")
    a = p.parse_args()
    available = int(re.search(r"MemAvailable:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]) / 1e6
    if available < 10:
        raise SystemExit(f"{available:.1f} GB of memory are available, expected 10 or more")
    folder = a.folder / "load_9b"
    try:
        if not folder.exists():
            write_package(folder, a.layers)
        total = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
        print(f"{a.layers} layers, {total / 1e9:.2f} GB in files", flush=True)
        cat(folder)
        report(a.preferd, folder, "without golden pairs")
        if a.golden:
            add_golden(a.preferd, folder)
            report(a.preferd, folder, "with 16 golden pairs")
    finally:
        if not a.keep:
            shutil.rmtree(folder, ignore_errors=True)


main()
