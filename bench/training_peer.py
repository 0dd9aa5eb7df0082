#!/usr/bin/env python3
"""Alternates a training step of the trainer with one of PyTorch + PEFT on the same work: 16 sequences of 512 tokens through 12
layers of SmolLM2-135M's shape, LoRA r 16 on all linears, no checkpointing, fp32 arithmetic. Ours runs over the NF4 base, theirs
over a dense fp32 one (which is faster for them than a quantized base).

    training_peer.py build/preferd_bench [--threads 1] [--rounds 2]        needs Python with torch, transformers, peft
"""
import argparse, json, statistics, subprocess, sys, tempfile

PEER = """
import resource, sys, time, torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModel
torch.set_num_threads(int(sys.argv[1]))
config = AutoConfig.for_model("llama", hidden_size=576, intermediate_size=1536, num_hidden_layers=12, num_attention_heads=9,
                              num_key_value_heads=3, head_dim=64, vocab_size=49152)
model = AutoModel.from_config(config, attn_implementation="sdpa", dtype=torch.float32)
model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", lora_dropout=0.0))
ids = (torch.arange(8192) * 7919 % 49152).view(16, 512)
for _ in range(2):
    start = time.time()
    model(input_ids=ids, use_cache=False).last_hidden_state[:, -1].mean().backward()
    seconds = time.time() - start
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def ours(bench, threads):
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        subprocess.run([bench, f"--benchmark_filter=training/step/threads:{threads}", f"--benchmark_out={out.name}",
                        "--benchmark_out_format=json", "--benchmark_repetitions=1"], check=True, stdout=subprocess.DEVNULL)
        runs = [b for b in json.load(open(out.name))["benchmarks"] if b.get("run_type", "iteration") == "iteration"]
    return 8192 / runs[0]["tokens/s"], runs[0]["peak MiB"]


def theirs(threads):
    text = subprocess.run([sys.executable, "-c", PEER, str(threads)], check=True, capture_output=True, text=True).stdout
    return tuple(map(float, text.split()[-2:]))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("bench")
    ap.add_argument("--threads", type=int, default=1)
    ap.add_argument("--rounds", type=int, default=2)
    args = ap.parse_args()
    a, b = [], []
    for _ in range(args.rounds):
        a.append(ours(args.bench, args.threads))
        b.append(theirs(args.threads))
    for name, runs in (("trainer", a), ("PyTorch + PEFT", b)):
        print(f"{name:15} {statistics.median(r[0] for r in runs):6.2f} s a step   {max(r[1] for r in runs):7.0f} MiB at most")


if __name__ == "__main__":
    main()
