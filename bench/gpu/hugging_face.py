#!/usr/bin/env python3
"""How long transformers + PEFT take for the work that preferd does on a GPU: Gemma-2-9B's shape with random weights, a head of 3 outputs,
LoRA r 16 on q, k, v, unmerged; bf16, or NF4 if bitsandbytes can be imported.

    hugging_face.py [--only score,latency,train] [--base bf16,nf4] [--attention eager,sdpa] [--layers 42] [--seconds 4]

score    8 x 2048 tokens forward         latency    1 x 512 forward        train    forward and backward of 4 x 2048, or of fewer
                                                                                    sequences if that does not fit
Prints one line of JSON per measurement and a table at the end. Each figure is the median of as many repetitions as fit, at least three, after two
that do not count. `eager` and `flex_attention` (compiled at the first call) apply the model's soft-cap to attention's logits; `sdpa` leaves it out, so
its results are those of another model. No padding and no mask, the KV cache off, adapters in bf16: all in favour of speed. Needs torch with CUDA, transformers and peft.
"""
import argparse, importlib.util, json, pathlib, statistics, sys

import torch
import transformers
from peft import LoraConfig, get_peft_model

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import gemma_9b

DEVICE = "cuda"


def quantized(model):
    """Its linears in NF4, as load_in_4bit makes them."""
    import bitsandbytes
    for layer in model.model.layers:
        for parent in (layer.self_attn, layer.mlp):
            for name, linear in list(parent.named_children()):
                if isinstance(linear, torch.nn.Linear):
                    four = bitsandbytes.nn.Linear4bit(linear.in_features, linear.out_features, bias=False, compute_dtype=torch.bfloat16, quant_type="nf4", device="meta")
                    four.weight = bitsandbytes.nn.Params4bit(linear.weight.data, requires_grad=False, quant_type="nf4", compress_statistics=True)
                    setattr(parent, name, four.to(DEVICE))
                    linear.weight = None
    model.is_loaded_in_4bit = True
    return model


def make_model(base, layers):
    config = transformers.AutoConfig.for_model(**gemma_9b.config(layers, quantized=False), num_labels=3, pad_token_id=0, use_cache=False)
    torch.manual_seed(707)
    with torch.device(DEVICE):
        model = transformers.AutoModelForSequenceClassification.from_config(config, dtype=torch.bfloat16, attn_implementation="eager")
    if base == "nf4":
        model = quantized(model)
    lora = LoraConfig(task_type="SEQ_CLS", r=16, lora_alpha=32, lora_dropout=0.0, target_modules=["q_proj", "k_proj", "v_proj"], init_lora_weights=False)
    with torch.device(DEVICE):
        model = get_peft_model(model, lora, autocast_adapter_dtype=False)
    for parameter in model.parameters():
        if parameter.is_floating_point():
            parameter.data = parameter.data.to(DEVICE, torch.bfloat16)
    return model


def timed(work, seconds):
    """Median milliseconds by the device's clock."""
    def once():
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        work()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end)
    once()
    rough = once()
    return statistics.median(once() for _ in range(max(3, min(50, int(seconds * 1e3 / rough)))))


def measure(work, seconds, batch, tokens, **what):
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    line = what | {"batch": batch, "tokens": tokens}
    try:
        ms = timed(work, seconds)
        line |= {"ms": round(ms, 2), "tokens/s": round(batch * tokens / ms * 1e3), "pairs/s": round(batch / ms * 1e3, 2)}
    except torch.OutOfMemoryError:
        line |= {"failed": "out of memory"}
    except Exception as e:
        line |= {"failed": f"{type(e).__name__}: {str(e).splitlines()[0][:120]}"}
    line |= {"peak GB": round(torch.cuda.max_memory_allocated() / 1e9, 1)}
    print(json.dumps(line), flush=True)
    return line


def forward(model, batch, tokens):
    ids = torch.randint(1, gemma_9b.VOCAB, (batch, tokens), device=DEVICE)
    model.eval()

    def work():
        with torch.inference_mode():
            logits = model(input_ids=ids).logits
        assert logits.shape == (batch, 3)
    return work


def step(model, batch, tokens):
    ids = torch.randint(1, gemma_9b.VOCAB, (batch, tokens), device=DEVICE)
    labels = torch.randint(0, 3, (batch,), device=DEVICE)
    model.train()

    def work():
        model.zero_grad()
        logits = model(input_ids=ids).logits
        torch.nn.functional.cross_entropy(logits.float(), labels).backward()
    return work


def train(model, seconds, **what):
    for checkpointing in (True, False):
        if checkpointing:
            model.enable_input_require_grads()
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        else:
            model.gradient_checkpointing_disable()
        for batch in (4, 2, 1):
            line = measure(step(model, batch, 2048), seconds, batch, 2048, part="train", checkpointing=checkpointing, **what)
            model.zero_grad()
            yield line
            if "failed" not in line:
                break


def table(lines):
    names = ("part", "base", "attention", "checkpointing", "batch", "tokens", "ms", "tokens/s", "pairs/s", "peak GB", "failed")
    print("| " + " | ".join(names) + " |\n|" + "---|" * len(names))
    for line in lines:
        print("| " + " | ".join(str(line.get(n, "")) for n in names) + " |")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words = lambda text: text.split(",")
    p.add_argument("--only", type=words, default=["score", "latency", "train"]), p.add_argument("--base", type=words, default=["bf16", "nf4"])
    p.add_argument("--attention", type=words, default=["eager", "sdpa"]), p.add_argument("--layers", type=int, default=gemma_9b.LAYERS)
    p.add_argument("--seconds", type=float, default=4)
    a = p.parse_args()
    lines = []
    for base in a.base:
        if base == "nf4" and not importlib.util.find_spec("bitsandbytes"):
            print("hugging_face: no bitsandbytes here: nf4 is left out", file=sys.stderr)
            continue
        model = make_model(base, a.layers)
        for attention in a.attention:
            model.get_base_model().set_attn_implementation(attention)
            what = {"base": base, "attention": attention, "layers": a.layers}
            if "score" in a.only:
                lines.append(measure(forward(model, 8, 2048), a.seconds, 8, 2048, part="score", **what))
            if "latency" in a.only:
                lines.append(measure(forward(model, 1, 512), a.seconds / 2, 1, 512, part="latency", **what))
            if "train" in a.only:
                lines += train(model, a.seconds, **what)
        del model
        torch.cuda.empty_cache()
    print(json.dumps({"part": "versions", "card": torch.cuda.get_device_name(), "torch": torch.__version__, "transformers": transformers.__version__}))
    table(lines)


if __name__ == "__main__":
    main()
