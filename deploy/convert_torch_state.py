#!/usr/bin/env python3
"""Tensors that torch.save wrote become a safetensors file beside them, under the same names.

    convert_torch_state.py regression_layer.pt gating_layer.pt

writes regression_layer.safetensors and gating_layer.safetensors. Read by torch.load(weights_only=True), which runs no code
of the files. Needs torch and safetensors.
"""
import os, sys


class Refused(Exception):
    pass


def convert(path):
    try:
        import torch
        from safetensors.torch import save_file
    except ImportError as e:
        raise Refused(f"{e.name} is not installed: pip install torch safetensors")
    to = os.path.splitext(path)[0] + ".safetensors"
    if os.path.exists(to):
        raise Refused(f"{to}: is there already")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise Refused(f"{path}: no such file")
    except Exception as e:
        raise Refused(f"{path}: torch.load(weights_only=True) refuses it ({type(e).__name__}): damaged, no file of torch.save, or more than tensors in it")
    if not isinstance(state, dict) or not state or not all(isinstance(t, torch.Tensor) for t in state.values()):
        raise Refused(f"{path}: is no dict of tensors, expected the state of a module")
    save_file({str(name): t.detach().contiguous().clone() for name, t in state.items()}, to, metadata={"format": "pt"})
    print(to)


if __name__ == "__main__":
    try:
        if len(sys.argv) < 2:
            raise Refused("no file is named, expected FILE.pt ...")
        for path in sys.argv[1:]:
            convert(path)
    except Refused as refused:
        sys.exit(f"error: {refused}")
