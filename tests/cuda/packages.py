#!/usr/bin/env python3
"""Every fixture package on a GPU against the CPU's fp32, and against itself in other batches.

    packages.py PREFERD [PACKAGE ...] [--jobs 8] [--device cuda]

For each package: logits of all rows on the GPU, dense, packed, fp8 and fp32, are within a tolerance of the CPU's fp32;
dense and packed have the same bits; and a row has the same bits whatever shares its batch. Prints a line a package; exit
code 1 if anything is off. Needs a GPU; standard library only.
"""
import argparse, concurrent.futures, json, pathlib, subprocess, sys, tempfile

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures/packages"
TOLERANCE = {"dense": 5e-2, "packed": 5e-2, "fp8": 3e-1, "fp32": 5e-4}
ENCODERS = {"deberta_v2", "bilstm"}


def score(preferd, package, rows, *flags):
    """{id: logits} or the error that the program printed."""
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as f:
        f.write("".join(json.dumps(r) + "\n" for r in rows))
        f.flush()
        done = subprocess.run([preferd, "score", "--package", str(package), "--input", f.name, "--quiet", "--threads", "1", *flags],
                              capture_output=True, text=True)
    if done.returncode not in (0, 3):
        return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return {v["id"]: v.get("logits", v) for v in map(json.loads, done.stdout.strip("\n").split("\n"))}


def numbers(logits):
    return [x for x in logits if isinstance(x, (int, float))] if isinstance(logits, list) else []


def furthest(a, b):
    return max((abs(x - y) for i in a for x, y in zip(numbers(a[i]), numbers(b[i]))), default=0.0)


def check(preferd, package, rows, device):
    said, wrong = [], []
    want = score(preferd, package, rows, "--compute", "fp32")
    if isinstance(want, str):
        return f"cpu: {want}", True
    encoder = json.loads((package / "base/config.json").read_text()).get("model_type", "").replace("-", "_") in ENCODERS
    modes = ["fp32"] if encoder else ["dense", "packed", "fp8", "fp32"]
    got = {}
    for mode in modes:
        flags = ["--device", device] + (["--compute", "fp32"] if mode == "fp32" else ["--residency", mode])
        got[mode] = score(preferd, package, rows, *flags)
        if isinstance(got[mode], str):
            wrong.append(f"{mode}: {got[mode]}")
            continue
        off = furthest(want, got[mode])
        said.append(f"{mode} {off:.2g}")
        if not off <= TOLERANCE[mode]:
            wrong.append(f"{mode} is off by {off:.3g}, tolerance {TOLERANCE[mode]}")
        if mode in ("dense", "fp8"):
            others = [{**r, "id": f"{r['id']}/{i}"} for r in rows[::-1] for i in range(3)][:: 2 if mode == "dense" else 1]
            again = score(preferd, package, others, *flags)
            if isinstance(again, str):
                wrong.append(f"{mode} again: {again}")
            elif any(got[mode][i.split("/")[0]] != v for i, v in again.items()):
                wrong.append(f"{mode}: other batches, other bits")
    if {"dense", "packed"} <= got.keys() and got["dense"] != got["packed"]:
        wrong.append("packed has other bits than dense")
    return "; ".join(said + wrong), bool(wrong)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preferd")
    parser.add_argument("packages", nargs="*")
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--device", default="cuda")
    args = parser.parse_args()
    rows = [json.loads(line) for line in (FIXTURES / "rows.jsonl").read_text().strip("\n").split("\n")]
    names = args.packages or sorted(p.parent.name for p in FIXTURES.glob("*/package.json") if (p.parent / "base/config.json").exists())
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        jobs = {n: pool.submit(check, args.preferd, FIXTURES / n, rows, args.device) for n in names}
        for name, job in jobs.items():
            text, bad = job.result()
            failed += bad
            print(f"{'FAILED' if bad else 'ok':6} {name:24} {text}", flush=True)
    print(f"{len(names) - failed} of {len(names)} packages agree")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
