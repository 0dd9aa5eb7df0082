#!/usr/bin/env python3
"""A head saved by PyTorch becomes head.safetensors and the "head" section of package.json.

    convert_torch_head.py PreferencePredictionModel.pt head.safetensors [--activation relu] [--dropout 0.2]
                          [--output sigmoid_b] [--no-l2] > head.json

The checkpoint is a dict with `classifier_state_dict`, the state of a torch.nn.Sequential ("0.weight", "0.bias",
"3.weight", ...: linears, with activation and dropout between them), and, where features go in, `feature_fc_state_dict`
("weight", "bias" of one linear). Linear N becomes layers.N, the feature linear feature_projection. What a state does not
say is asked for: every place between two linears holds the activation first, then dropouts; the pooled vector and the
projected features are L2-normalised unless --no-l2 is given. Read by torch.load(weights_only=True), which runs no code of
the file. Needs torch and safetensors; `mapping` and `head_section` need neither.
"""
import argparse, json, os, re, sys

OUTPUTS = {"sigmoid_b": 1, "softmax_ab": 2, "softmax_abt": 3, "difference": 1, "siamese": None}


class Refused(Exception):
    pass


def linears(names_and_shapes, where):
    """Index -> (out, in, has a bias) of a Sequential's state; names_and_shapes: name -> shape."""
    found = {}
    for name, shape in names_and_shapes.items():
        parts = re.fullmatch(r"(\d+)\.(weight|bias)", str(name))
        if not parts:
            raise Refused(f"{where}: tensor {name} is none of a Sequential of linear layers, expected names as 0.weight")
        found.setdefault(int(parts[1]), {})[parts[2]] = tuple(shape)
    out = {}
    for index in sorted(found):
        layer = found[index]
        weight, bias = layer.get("weight"), layer.get("bias")
        if weight is None or len(weight) != 2:
            raise Refused(f"{where}: {index}.weight is {'missing' if weight is None else list(weight)}, expected a matrix (only linear layers are supported)")
        if bias is not None and bias != weight[:1]:
            raise Refused(f"{where}: {index}.bias is {list(bias)}, expected [{weight[0]}]")
        out[index] = (weight[0], weight[1], bias is not None)
    if not out:
        raise Refused(f"{where}: is empty, expected linear layers")
    if min(out) != 0:
        raise Refused(f"{where}: the first linear layer has index {min(out)}, expected 0")
    order = sorted(out)
    for a, b in zip(order, order[1:]):
        if out[a][0] != out[b][1]:
            raise Refused(f"{where}: layer {a} gives {out[a][0]} values and layer {b} takes {out[b][1]}")
        if b - a < 2:
            raise Refused(f"{where}: layers {a} and {b} are neighbours, expected an activation between them")
    return out


def mapping(classifier, features):
    """Names in head.safetensors -> (part, name) in the checkpoint, given name -> shape of both parts (features: None = none)."""
    names = {}
    for index, (_, _, bias) in linears(classifier, "classifier_state_dict").items():
        for kind in ("weight", "bias")[:1 + bias]:
            names[f"layers.{index}.{kind}"] = ("classifier_state_dict", f"{index}.{kind}")
    if features is not None:
        if set(features) != {"weight", "bias"} or len(features["weight"]) != 2 or tuple(features["bias"]) != tuple(features["weight"])[:1]:
            raise Refused(f"feature_fc_state_dict: has {', '.join(sorted(features)) or 'nothing'}, expected weight [out, columns] and bias [out] of one linear layer")
        for kind in ("weight", "bias"):
            names[f"feature_projection.{kind}"] = ("feature_fc_state_dict", kind)
    return names


def head_section(classifier, features, file, activation="relu", dropout=0.2, output="sigmoid_b", l2=True):
    """package.json's "head" for the same."""
    layers, found = [], linears(classifier, "classifier_state_dict")
    last = max(found)
    if OUTPUTS[output] is not None and found[last][0] != OUTPUTS[output]:
        raise Refused(f"classifier_state_dict: the last layer gives {found[last][0]} values, {output} needs {OUTPUTS[output]}")
    for index in range(last + 1):
        if index in found:
            out, into, bias = found[index]
            layers.append({"type": "linear", "in": into, "out": out} | ({} if bias else {"bias": False}))
        elif layers[-1]["type"] == "linear":
            layers.append({"type": activation})
        else:
            layers.append({"type": "dropout", "p": dropout})
    section = {"file": file, "pooling": "last"} | ({"l2_normalize": True} if l2 else {})
    if features is not None:
        if found[0][1] <= features["weight"][0]:
            raise Refused(f"classifier_state_dict: layer 0 takes {found[0][1]} values, no more than the {features['weight'][0]} of feature_fc alone")
        section["feature_projection"] = {"out": features["weight"][0], "activation": "none"} | ({"l2_normalize": True} if l2 else {})
    return section | {"layers": layers, "output": output}


def parts_of(checkpoint, where):
    """(classifier, features or None) as name -> shape."""
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("classifier_state_dict"), dict):
        keys = ", ".join(map(str, checkpoint)) if isinstance(checkpoint, dict) else type(checkpoint).__name__
        raise Refused(f"{where}: no classifier_state_dict here, found {keys or 'nothing'}")
    features = checkpoint.get("feature_fc_state_dict")
    if features is not None and not isinstance(features, dict):
        raise Refused(f"{where}: feature_fc_state_dict is {type(features).__name__}, expected a dict of tensors")
    shapes = lambda part: {n: tuple(getattr(t, "shape", ())) for n, t in part.items()}
    return shapes(checkpoint["classifier_state_dict"]), None if features is None else shapes(features)


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("checkpoint"), p.add_argument("head")
    p.add_argument("--activation", choices=("relu", "gelu", "tanh"), default="relu")
    p.add_argument("--dropout", type=float, default=0.2)
    p.add_argument("--output", choices=OUTPUTS, default="sigmoid_b")
    p.add_argument("--no-l2", action="store_true")
    return p.parse_args()


def convert(a):
    try:
        import torch
        from safetensors.torch import save_file
    except ImportError as e:
        raise Refused(f"{e.name} is not installed: pip install torch safetensors")
    try:
        checkpoint = torch.load(a.checkpoint, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise Refused(f"{a.checkpoint}: no such file")
    except Exception as e:
        raise Refused(f"{a.checkpoint}: torch.load(weights_only=True) refuses it ({type(e).__name__}): damaged, no file of torch.save, or more than tensors in it")
    classifier, features = parts_of(checkpoint, a.checkpoint)
    section = head_section(classifier, features, a.head.rsplit("/", 1)[-1], a.activation, a.dropout, a.output, not a.no_l2)
    tensors = {}
    for ours, (part, name) in mapping(classifier, features).items():
        tensor = checkpoint[part][name].detach()
        if not tensor.is_floating_point() or tensor.layout != torch.strided or tensor.is_meta:
            raise Refused(f"{a.checkpoint}: {part}.{name} is {'meta' if tensor.is_meta else tensor.layout} {tensor.dtype}, expected dense floating point")
        tensor = tensor.float().contiguous()
        if not torch.isfinite(tensor).all():
            raise Refused(f"{a.checkpoint}: {part}.{name} holds NaN or infinity")
        tensors[ours] = tensor
    if os.path.exists(a.head) and os.path.samefile(a.checkpoint, a.head):
        raise Refused(f"{a.head}: is the checkpoint itself, expected a file to write")
    try:
        save_file(tensors, a.head, metadata={"format": "pt"})
    except Exception as e:
        raise Refused(f"{a.head}: cannot write: {e}")
    print(json.dumps(section, indent=2))


if __name__ == "__main__":
    try:
        convert(arguments())
    except Refused as refused:
        sys.exit(f"error: {refused}")
