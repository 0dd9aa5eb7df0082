#!/usr/bin/env python3
"""Measures the two ceilings of this GPU through torch: bf16 products of random matrices, and a copy of 4 GiB (bytes read and bytes written).
Prints one line of JSON for each. Needs torch with CUDA."""
import json, statistics

import torch


def timed(work, repetitions=20):
    times = []
    for i in range(repetitions + 3):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        work()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    return statistics.median(times[3:])


def main():
    for m, n, k in ((8192, 8192, 8192), (16384, 14336, 3584)):
        a, b = (torch.randn(shape, device="cuda", dtype=torch.bfloat16) for shape in ((m, k), (n, k)))
        out = torch.empty(m, n, device="cuda", dtype=torch.bfloat16)
        ms = timed(lambda: torch.mm(a, b.T, out=out))
        print(json.dumps({"what": f"bf16 [{m}, {k}] x [{k}, {n}]", "ms": round(ms, 3), "TFLOP/s": round(2 * m * n * k / ms / 1e9, 1)}), flush=True)
    source = torch.randint(0, 255, (1 << 32,), device="cuda", dtype=torch.uint8)
    target = torch.empty_like(source)
    ms = timed(lambda: target.copy_(source))
    print(json.dumps({"what": "copy of 4 GiB", "ms": round(ms, 3), "TB/s": round(2 * source.numel() / ms / 1e9, 2)}), flush=True)


main()
