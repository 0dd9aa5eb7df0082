"""Packages of Gemma-2-9B's shape with random weights, for benches: NF4 linears in bitsandbytes' layout, bf16 embedding
and norms, a small tokenizer and optionally a LoRA adapter; and rows with a known number of tokens. Standard library only; writes 6.6 GB at
the speed of the disk.

Values come from one pool of random bytes, read from a different position for every megabyte, so that no two weights are equal and the same
seed makes the same package. Scales are those of the real model: weights of standard deviation 0.025, an embedding of root mean square 0.02 that Gemma
multiplies by 60, norms of 1 (Gemma adds the one): states neither vanish nor explode.
"""
import json, pathlib, random, shutil, struct

HIDDEN, FFN, HEADS, KV, DIM, VOCAB, BLOCK, LAYERS = 3584, 14336, 16, 8, 256, 256000, 64, 42
POOL, PIECE = 1 << 25, 1 << 20
TOKENIZER = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures/packages/gemma2_nf4_lora/base"
NF4 = [-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0,
       0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0]
SIZES = {"U8": 1, "BF16": 2, "F32": 4}


def interleaved(*columns):
    out = bytearray(len(columns) * len(columns[0]))
    for i, c in enumerate(columns):
        out[i::len(columns)] = c
    return bytes(out)


class Pools:
    """Patterns of values: `codes` any byte; `absmax` fp32 from 0.031 to 0.063; `bf16` of either sign, 0.008 to 0.031; `zero`."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        codes = self.random.randbytes(POOL)
        low7 = bytes(i & 0x7F for i in range(256))
        self.codes = codes
        self.absmax = interleaved(codes[:PIECE], codes[PIECE:2 * PIECE], codes[2 * PIECE:3 * PIECE].translate(low7), b"\x3d" * PIECE)
        self.bf16 = interleaved(codes[:POOL // 4], codes[POOL // 4:POOL // 2].translate(bytes([0x3C, 0xBC] * 128)))
        self.zero = bytes(PIECE)

    def write(self, file, pattern, size):
        """`size` bytes of a pattern's name, or the bytes themselves."""
        if isinstance(pattern, bytes):
            return file.write(pattern[:size])
        data = memoryview(getattr(self, pattern))
        while size > 0:
            at = self.random.randrange(max(len(data) - PIECE, 0) // 4 + 1) * 4
            size -= file.write(data[at:at + min(PIECE, size)])


def size_of(dtype, shape):
    n = SIZES[dtype]
    for s in shape:
        n *= s
    return n


def linears(i):
    """(name, out, in) of a block's linears."""
    at = f"model.layers.{i}."
    for name, out, into in (("self_attn.q_proj", HEADS * DIM, HIDDEN), ("self_attn.k_proj", KV * DIM, HIDDEN), ("self_attn.v_proj", KV * DIM, HIDDEN),
                            ("self_attn.o_proj", HIDDEN, HEADS * DIM), ("mlp.gate_proj", FFN, HIDDEN), ("mlp.up_proj", FFN, HIDDEN), ("mlp.down_proj", HIDDEN, FFN)):
        yield at + name, out, into


def base_tensors(layers):
    """(name, dtype, shape, pattern) of the checkpoint, in order."""
    yield "model.embed_tokens.weight", "BF16", [VOCAB, HIDDEN], "bf16"
    yield "model.norm.weight", "BF16", [HIDDEN], "zero"
    for i in range(layers):
        for name, out, into in linears(i):
            w = name + ".weight"
            yield w, "U8", [out * into // 2, 1], "codes"
            yield w + ".absmax", "F32", [out * into // BLOCK], "absmax"
            yield w + ".quant_map", "F32", [16], struct.pack("<16f", *NF4)
            state = json.dumps({"quant_type": "nf4", "blocksize": BLOCK, "dtype": "bfloat16", "shape": [out, into]}).encode()
            yield w + ".quant_state.bitsandbytes__nf4", "U8", [len(state)], state
        for name in ("input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"):
            yield f"model.layers.{i}.{name}.weight", "BF16", [HIDDEN], "zero"


def adapter_tensors(layers, r):
    for i in range(layers):
        for name, out, into in linears(i):
            if name[-6:] in ("q_proj", "k_proj", "v_proj"):
                for part, shape in (("lora_A", [r, into]), ("lora_B", [out, r])):
                    yield f"base_model.model.{name}.{part}.weight", "BF16", shape, "bf16"


def write_safetensors(path, tensors, pools):
    tensors = sorted(tensors, key=lambda t: (-SIZES[t[1]], t[0]))
    header, at = {}, 0
    for name, dtype, shape, _ in tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size_of(dtype, shape)]}
        at += size_of(dtype, shape)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for _, dtype, shape, pattern in tensors:
            pools.write(f, pattern, size_of(dtype, shape))


def config(layers, quantized=True):
    """config.json."""
    out = {"model_type": "gemma2", "hidden_size": HIDDEN, "intermediate_size": FFN, "num_hidden_layers": layers, "num_attention_heads": HEADS,
           "num_key_value_heads": KV, "head_dim": DIM, "vocab_size": VOCAB, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "query_pre_attn_scalar": 256,
           "hidden_activation": "gelu_pytorch_tanh", "sliding_window": 4096, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0,
           "max_position_embeddings": 8192, "tie_word_embeddings": True}
    return out | ({"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}} if quantized else {})


def write_base(folder, layers, pools):
    shards, filled = [[]], 0
    for t in base_tensors(layers):
        n = size_of(*t[1:3])
        if filled + n > 2_000_000_000:
            shards.append([])
            filled = 0
        shards[-1].append(t)
        filled += n
    index = {}
    for i, shard in enumerate(shards):
        file = f"model-{i + 1:05d}-of-{len(shards):05d}.safetensors"
        write_safetensors(folder / file, shard, pools)
        index |= {name: file for name, *_ in shard}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    (folder / "config.json").write_text(json.dumps(config(layers)))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(TOKENIZER / name, folder)


def write_package(folder, layers=LAYERS, outputs=1, r=0, max_tokens=2048, seed=707):
    """A package of layout pair with a linear head of 1 or 3 outputs; r > 0: a LoRA adapter of that rank on q, k, v, B not zero."""
    pools = Pools(seed)
    (folder / "base").mkdir(parents=True)
    write_base(folder / "base", layers, pools)
    write_safetensors(folder / "head.safetensors", [("layers.0.weight", "BF16", [outputs, HIDDEN], "bf16")], pools)
    manifest = {"format": "preferd-package/1", "name": "random-9b", "base": {"path": "base"}, "quantization": {"scheme": "nf4"},
                "input": {"layout": "pair", "template": [{"field": "prompt"}, {"field": "response_a"}, {"field": "response_b"}], "max_tokens": max_tokens},
                "head": {"file": "head.safetensors", "layers": [{"type": "linear", "in": HIDDEN, "out": outputs, "bias": False}],
                         "output": {1: "sigmoid_b", 3: "softmax_abt"}[outputs]}}
    if r:
        (folder / "adapter").mkdir()
        write_safetensors(folder / "adapter/adapter_model.safetensors", adapter_tensors(layers, r), pools)
        (folder / "adapter/adapter_config.json").write_text(json.dumps(
            {"peft_type": "LORA", "task_type": "SEQ_CLS", "r": r, "lora_alpha": 2 * r, "lora_dropout": 0.0, "bias": "none", "use_dora": False,
             "fan_in_fan_out": False, "inference_mode": True, "modules_to_save": None, "target_modules": ["q_proj", "k_proj", "v_proj"]}))
        manifest["adapter"] = {"path": "adapter"}
    (folder / "package.json").write_text(json.dumps(manifest, indent=1))


def single_characters():
    """Characters that are one token each, whatever their neighbours are."""
    tokenizer = json.loads((TOKENIZER / "tokenizer.json").read_text())["model"]
    merged = {tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in tokenizer["merges"]}
    letters = [c for c in map(chr, range(48, 91)) if c.isalnum() and c in tokenizer["vocab"]]
    return [c for c in letters if not any((c, d) in merged or (d, c) in merged for d in letters)]


def rows(count, most, least=None, seed=707):
    """Pairs whose encoding takes `most` tokens in this package, or any number from `least` to `most`."""
    source, letters = random.Random(seed), single_characters()
    for i in range(count):
        total = source.randint(least or most, most)
        a = (total - total // 8) // 2
        parts = ["".join(source.choices(letters, k=n)) for n in (total // 8, a, total - total // 8 - a)]
        yield dict(zip(("id", "prompt", "response_a", "response_b"), (i, *parts)))
