"""One engine in a process of its own: loads, says `ready VERSION`, then answers each line `WORKLOAD [FILE]` with the seconds that the
workload's sequences took one after the other, and writes the states to FILE as fp32 rows. bench/peers/pooled.cc has the same protocol.

    worker.py ENGINE --home FOLDER --threads N --tokens FILE.jsonl [--llama FOLDER]
"""
import argparse, json, os, sys, time

import models


def torch_engine(args, form):
    import torch
    dtype, weights = form
    torch.set_num_threads(args.threads)
    model = models.torch_model(args.home, weights, dtype)

    def run(ids):
        with torch.inference_mode():
            return model(input_ids=ids, use_cache=False).last_hidden_state[0, -1].float().numpy()
    return f"torch {torch.__version__}", lambda ids: torch.tensor([ids]), run


def onnx_engine(args, form):
    import numpy as np
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = args.threads, 1
    session = ort.InferenceSession(str(models.path(args.home, form) / "model.onnx"), options, providers=["CPUExecutionProvider"])
    return (f"onnxruntime {ort.__version__}", lambda ids: np.array([ids], np.int64),
            lambda ids: session.run(["state"], {"ids": ids})[0].reshape(-1))


def openvino_engine(args, precision):
    import numpy as np
    import openvino as ov
    core = ov.Core()
    model = core.compile_model(models.path(args.home, "openvino") / "model.xml", "CPU",
                               {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1",
                                "INFERENCE_NUM_THREADS": str(args.threads)})
    return (f"openvino {ov.__version__.split('-')[0]}", lambda ids: np.array([ids], np.int64),
            lambda ids: model(ids)[0].reshape(-1).copy())


def ct2_engine(args, compute):
    import ctranslate2
    import numpy as np
    generator = ctranslate2.Generator(str(models.path(args.home, f"ct2-{compute}")), device="cpu", compute_type=compute.replace("fp", "float"), inter_threads=1,
                                      intra_threads=args.threads)

    def run(ids):
        states = generator.forward_batch(ctranslate2.StorageView.from_array(ids),
                                         ctranslate2.StorageView.from_array(np.array([ids.shape[1]], np.int32)))
        return np.array(states)[0, -1]
    return f"ctranslate2 {ctranslate2.__version__}", lambda ids: np.array([ids], np.int32), run


def llama_engine(args, form):
    """Logits of the last token."""
    sys.path.insert(0, args.llama)
    import ctypes
    import llama_cpp as l
    import numpy as np
    l.llama_log_set(QUIET, ctypes.c_void_p(0))
    l.llama_backend_init()
    options = l.llama_model_default_params()
    options.n_gpu_layers, options.use_mmap = 0, True
    model = l.llama_model_load_from_file(str(models.path(args.home, f"gguf-{form}") / "model.gguf").encode(), options)
    c = l.llama_context_default_params()
    c.n_ctx, c.n_batch, c.n_ubatch, c.n_seq_max = 2048, 2048, 512, 1
    c.n_threads = c.n_threads_batch = args.threads
    c.flash_attn_type, c.no_perf = 1, True
    context = l.llama_init_from_model(model, c)
    if not context:
        sys.exit("llama.cpp made no context")

    def run(ids):
        l.llama_memory_clear(l.llama_get_memory(context), False)
        tokens = (l.llama_token * len(ids))(*ids)
        code = l.llama_decode(context, l.llama_batch_get_one(tokens, len(ids)))
        if code != 0:
            sys.exit(f"llama_decode returned {code}")
        return np.ctypeslib.as_array(l.llama_get_logits_ith(context, -1), shape=(models.VOCAB,)).copy()
    return f"llama-cpp-python {l.__version__}", list, run


def quiet():
    import ctypes
    return ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(lambda *_: None)


QUIET = quiet()
# engine -> how it is run, what it is told, which form of the model it reads (models.py)
ENGINES = {
    "torch-fp32": (torch_engine, ("float32", "bf16"), "bf16"), "torch-bf16": (torch_engine, ("bfloat16", "bf16"), "bf16"),
    "torch-fp32-of-nf4": (torch_engine, ("float32", "nf4"), "nf4"),
    "ort-fp32": (onnx_engine, "onnx", "onnx"), "ort-dynint8": (onnx_engine, "onnx-int8", "onnx-int8"),
    "ov-fp32": (openvino_engine, "f32", "openvino"), "ov-bf16": (openvino_engine, "bf16", "openvino"),
    "ct2-fp32": (ct2_engine, "fp32", "ct2-fp32"), "ct2-int8": (ct2_engine, "int8", "ct2-int8"),
    **{f"llama-{k}": (llama_engine, k, f"gguf-{k}") for k in ("F16", "Q8_0", "Q4_0")},
}


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("engine", choices=ENGINES)
    ap.add_argument("--home", required=True, type=lambda f: models.Home(f, None))
    ap.add_argument("--threads", type=int, required=True)
    ap.add_argument("--tokens", required=True)
    ap.add_argument("--llama")
    args = ap.parse_args()
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what engines print must not be taken for a reply
    make, form, _ = ENGINES[args.engine]
    version, prepare, run = make(args, form)
    work = {w["name"]: [prepare(ids) for ids in w["sequences"]] for w in map(json.loads, open(args.tokens))}
    print("ready", version, file=replies)
    for line in sys.stdin:
        name, *out = line.split(maxsplit=1)
        start = time.perf_counter()
        rows = [run(ids) for ids in work[name]]
        print(time.perf_counter() - start, file=replies)
        if out:
            import numpy as np
            np.concatenate(rows).astype(np.float32).tofile(out[0].strip())
            print("written", file=replies)


if __name__ == "__main__":
    main()
