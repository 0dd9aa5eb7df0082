#!/usr/bin/env python3
"""Compares preferd with other engines on the same model, tokens and machine; bench/README.md says what is measured and how.

    bench/peers/run.sh [--sections native,avx512,avx2] [--threads 1,2] [--workloads w512,b8,w2048] [--engines a,b] [--rounds 3]

Every run is written as a line of HOME/results.jsonl as soon as it is done. A row that has its --rounds there already is not run again, so
an interrupted comparison continues where it stopped; --fresh runs the selected rows again, --table only prints. Exit code 1 if an engine
gave no figure.
"""
import argparse, json, os, pathlib, subprocess, sys, time

import models, report, worker
from process import Process, busy

HERE = pathlib.Path(__file__).resolve().parent
SECTIONS = {  # what is hidden by hide_isa.so, which build of llama.cpp
    "native": ("", "amx"), "avx512": ("avx512", "avx512"), "avx2": ("avx2", "avx2")}
PREFERD = {f"preferd-{form}{'' if compute == 'fp32' else '-' + compute}": (form, compute)
           for compute in ("fp32", "int16", "int8") for form in ("nf4", "bf16")}
PEERS = [e for e in worker.ENGINES if e != "torch-fp32-of-nf4"]
BF16 = {"torch-bf16", "ov-bf16"}  # native only: without AMX bf16 is emulated (torch) or ignored (OpenVINO)


def workloads(home):
    """Tokens of the licence, which everyone has and which is English."""
    from tokenizers import Tokenizer
    text = (models.ROOT / "LICENSE").read_text()
    ids = Tokenizer.from_file(str(models.ROOT / "model/default/package/base/tokenizer.json")).encode(text).ids
    lengths = [100, 171, 243, 314, 386, 457, 529, 600]
    work = {"w512": [ids[:512]], "b8": [ids[100 * i: 100 * i + n] for i, n in enumerate(lengths)], "w2048": [ids[:2048]]}
    path = home.folder / "tokens.jsonl"
    path.write_text("".join(json.dumps({"name": n, "sequences": s}) + "\n" for n, s in work.items()))
    return path, {n: [len(s) for s in sequences] for n, sequences in work.items()}


def made(args, form):
    """The folder of that form of the model. Made by a process of its own, so that its memory counts for no engine and its failure affects only one."""
    if not (args.home.folder / "models" / form).exists():
        run = subprocess.run([sys.executable, HERE / "models.py", args.home.folder, args.home.preferd, form], stderr=subprocess.PIPE, text=True)
        if run.returncode:
            raise RuntimeError(f"models.py {form}: " + run.stderr.strip().splitlines()[-1])
    return models.path(args.home, form)


def command(engine, args, threads, section):
    if engine in PREFERD:
        form, compute = PREFERD[engine]
        return [args.pooled, made(args, f"package-{form}"), args.tokens, threads, compute]
    made(args, worker.ENGINES[engine][2])
    return [sys.executable, HERE / "worker.py", engine, "--home", args.home.folder, "--threads", threads, "--tokens", args.tokens,
            "--llama", args.home.folder / f"llama-{SECTIONS[section][1]}"]


def start(engine, args, threads, section):
    return Process(command(engine, args, threads, section), SECTIONS[section][0], args.home.folder, args.home.folder / "worker.log",
                   OMP_NUM_THREADS=str(threads), TOKENIZERS_PARALLELISM="false", TRANSFORMERS_VERBOSITY="error")


def references(args, names):
    """The states by PyTorch in fp32 of the weights that preferd's rows and the others' have: form -> workload -> [sequences, width]."""
    import numpy as np
    out = {}
    for form, engine in (("bf16", "torch-fp32"), ("nf4", "torch-fp32-of-nf4")):
        process = start(engine, args, os.cpu_count(), "native")
        out[form] = {}
        for name in names:
            file = args.home.folder / "states.f32"
            process.ask(f"{name} {file}"), process.line()
            out[form][name] = np.fromfile(file, np.float32).reshape(-1, models.HIDDEN).astype(np.float64)
        process.close()
    embedding = models.weights(args.home)["model.embed_tokens.weight"]
    out["logits"] = {name: states @ embedding.T for name, states in out["bf16"].items()}
    return out


def measure(process, calibrator, name, seconds):
    """Timed runs, at least one, until they took that many seconds; calibrated between any two."""
    before, spent = float(calibrator.ask()), 0
    while spent < seconds:
        wall, own, everyone = time.perf_counter(), process.cpu(), busy()
        run = float(process.ask(name))
        wall, own, everyone = time.perf_counter() - wall, process.cpu() - own, busy() - everyone
        after = float(calibrator.ask())
        yield {"seconds": run, "calibration": (before + after) / 2, "others": max(0.0, (everyone - own) / wall), "peak_mb": process.peak_mb()}
        before, spent = after, spent + run


def lowest_cosine(file, reference):
    import numpy as np
    states = np.fromfile(file, np.float32).reshape(reference.shape).astype(np.float64)
    if not np.isfinite(states).all():
        raise RuntimeError("gave values that are not finite")
    return float(((states * reference).sum(1) / np.linalg.norm(states, axis=1) / np.linalg.norm(reference, axis=1)).min())


def run_engine(engine, args, threads, section, names, calibrator, right):
    """Yields one record per timed run; the first, untimed run of a workload gives the cosine."""
    process = start(engine, args, threads, section)
    kind = "logits" if engine.startswith("llama") else PREFERD[engine][0] if engine in PREFERD else "bf16"
    try:
        for name in names:
            file = args.home.folder / "states.f32"
            process.ask(f"{name} {file}"), process.line()
            cosine = lowest_cosine(file, right[kind][name])
            for run in measure(process, calibrator, name, args.seconds):
                yield {"workload": name, **run, "cosine": cosine, "of": "l" if kind == "logits" else "h", "version": process.version}
    finally:
        process.close()


def compare(args, lengths):
    done = report.read(args.results)
    try:
        right = references(args, args.workloads)
    except (RuntimeError, OSError) as error:
        sys.exit(f"error: PyTorch gave no reference: {error}")
    for section in args.sections:
        for threads in args.threads:
            try:
                calibrator = Process([sys.executable, HERE / "calibrate.py"], SECTIONS[section][0], args.home.folder,
                                     args.home.folder / "calibrate.log", OPENBLAS_NUM_THREADS=str(threads),
                                     OPENBLAS_THREAD_TIMEOUT="4")  # its threads do not spin into what is timed next
            except RuntimeError as error:
                for engine in args.asked[section]:
                    failed(args, {"section": section, "threads": threads, "engine": engine, "round": 0}, f"calibration: {error}")
                continue
            for number in range(args.rounds):
                for engine in args.asked[section]:
                    key = {"section": section, "threads": threads, "engine": engine, "round": number}
                    had = {r.get("workload") for r in done if all(r[k] == v for k, v in key.items())}
                    names = [n for n in args.workloads if n not in had]
                    if names:
                        compare_one(args, key, names, calibrator, right, lengths)
            calibrator.close()


def compare_one(args, key, names, calibrator, right, lengths):
    print("{section}, {threads} threads, round {round}: {engine}".format(**key), file=sys.stderr, flush=True)
    try:
        for record in run_engine(key["engine"], args, key["threads"], key["section"], names, calibrator, right):
            append(args.results, {**key, **record, "cores": os.cpu_count(), "lengths": lengths[record["workload"]]})
    except (RuntimeError, OSError, ValueError) as error:
        failed(args, key, str(error))


def failed(args, key, why):
    append(args.results, {**key, "failed": why})
    print("error: {engine} ({section}, {threads} threads): ".format(**key) + why, file=sys.stderr, flush=True)


def append(path, record):
    with open(path, "a") as f:
        f.write(json.dumps(record) + "\n")


def main():
    words = lambda text: text.split(",")
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--home", default="~/.cache/preferd-peers", help="environment, models and results")
    ap.add_argument("--preferd", default=str(models.ROOT / "build/preferd"), help="makes the nf4 files and the packages")
    ap.add_argument("--pooled", default=str(models.ROOT / "build/preferd_pooled"), help="what is measured")
    ap.add_argument("--sections", type=words, default=list(SECTIONS))
    ap.add_argument("--threads", type=lambda t: [int(n) for n in words(t)], default=[1, 2])
    ap.add_argument("--workloads", type=words, default=["w512", "b8", "w2048"])
    ap.add_argument("--engines", type=words, default=[*PREFERD, *PEERS], help="default: " + ",".join([*PREFERD, *PEERS]))
    ap.add_argument("--rounds", type=int, default=3, help="passes over all engines")
    ap.add_argument("--seconds", type=float, default=2, help="a process repeats a workload for so long, once at least")
    ap.add_argument("--fresh", action="store_true", help="forget earlier results of these sections, threads and engines")
    ap.add_argument("--table", action="store_true", help="print what there is, run nothing")
    ap.add_argument("--plot", help="SVG to write")
    args = ap.parse_args()
    for flag, given, known in (("sections", args.sections, SECTIONS), ("engines", args.engines, [*PREFERD, *PEERS])):
        for word in given:
            if word not in known:
                ap.error(f"--{flag}: '{word}' is unknown, expected some of {','.join(known)}")
    args.asked = {s: [e for e in args.engines if s == "native" or e not in BF16] for s in args.sections}
    args.home = models.Home(args.home, args.preferd)
    args.results = args.home.folder / "results.jsonl"
    if args.fresh:
        kept = [r for r in report.read(args.results) if r["section"] not in args.sections or r["threads"] not in args.threads or r["engine"] not in args.engines]
        args.results.write_text("".join(json.dumps(r) + "\n" for r in kept))
    args.tokens, lengths = workloads(args.home)
    for word in args.workloads:
        if word not in lengths:
            ap.error(f"--workloads: '{word}' is unknown, expected some of {','.join(lengths)}")
    if not args.table:
        compare(args, lengths)
    records = report.read(args.results)
    print(report.table(records, args))
    if args.plot and report.groups(records):
        pathlib.Path(args.plot).write_text(report.plot(records))
    return 1 if report.failures(records, args) else 0


if __name__ == "__main__":
    sys.exit(main())
