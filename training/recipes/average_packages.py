#!/usr/bin/env python3
"""Makes a package whose adapter and head are the mean of those of several packages of one form and one base.

    average_packages.py OUT PACKAGE [PACKAGE ...]      needs numpy

The packages must have gone on from the same weights: LoRA runs that begin anew cannot be averaged. OUT is the first package with other
weights, without its temperature and golden pairs, which do not hold for them.
"""
import json, os, shutil, struct, sys

import numpy as np

FILES = ("adapter/adapter_model.safetensors", "head.safetensors")


def read(path):
    """(header with its length, values) of a safetensors file in fp32 or bf16 throughout, and whether it is bf16."""
    with open(path, "rb") as file:
        data = file.read()
    size = 8 + struct.unpack("<Q", data[:8])[0]
    dtypes = {entry["dtype"] for name, entry in json.loads(data[8:size]).items() if name != "__metadata__"}
    if dtypes not in ({"F32"}, {"BF16"}):
        sys.exit(f"average_packages: {path}: tensors of {', '.join(sorted(dtypes))}, expected all F32 or all BF16")
    is_bf16 = dtypes == {"BF16"}
    values = np.frombuffer(data[size:], "<u2").astype("<u4") << 16 if is_bf16 else np.frombuffer(data[size:], "<u4")
    return data[:size], values.view("<f4").astype(np.float64), is_bf16


def mean(paths):
    header, total, is_bf16 = read(paths[0])
    for path in paths[1:]:
        other, values, _ = read(path)
        if other != header:
            sys.exit(f"average_packages: {path}: its tensors are not those of {paths[0]}")
        total = total + values
    bits = (total / len(paths)).astype("<f4").view("<u4")
    if is_bf16:  # to the nearest, ties to even
        return header + ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()
    return header + bits.tobytes()


def main(out, packages):
    means = {name: mean([os.path.join(p, name) for p in packages]) for name in FILES}
    shutil.copytree(packages[0], out)
    for name, data in means.items():
        with open(os.path.join(out, name), "wb") as file:
            file.write(data)
    path = os.path.join(out, "package.json")
    with open(path, encoding="utf-8") as file:
        package = json.load(file)
    golden = package.pop("golden", None)
    package.pop("calibration", None)
    if golden:
        os.remove(os.path.join(out, golden))
    with open(path, "w", encoding="utf-8") as file:
        json.dump(package, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
