#!/usr/bin/env python3
"""Every fixture package on a GPU against the CPU's fp32, and against itself in other batches.

    packages.py PREFERD [PACKAGE ...] [--jobs 8] [--device cuda]

For each package: logits of all rows on the GPU in fp32 are those of the CPU to 5e-4; dense, bf16, is no farther from them
in the mean than transformers + PEFT in bf16 (bf16_errors.json, by make_bf16_errors.py) with a third and 0.01 to spare on
one package, and none over all; packed has the bits of dense; and a row has the same bits whatever shares its batch, in
fp8 too. Modes whose kernels do not take a width are refused by name. The packages are taken without their golden pairs: random weights of this size round too coarsely in bf16 for
the gate. Prints a line a package; exit code 1 if anything is off. Needs a GPU; standard library only.
"""
import argparse, concurrent.futures, json, pathlib, shutil, subprocess, sys, tempfile

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures/packages"
HUGGING_FACE = json.loads((FIXTURES.parent / "bf16_errors.json").read_text())  # {package: mean error of a logit}
ENCODERS = {"bert", "bilstm", "deberta_v2", "modernbert", "roberta", "xlm_roberta"}


def score(preferd, package, rows, *flags):
    """{id: logits} or the error that the program printed."""
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as f:
        f.write("".join(json.dumps(r) + "\n" for r in rows))
        f.flush()
        done = subprocess.run([preferd, "score", "--package", str(package), "--input", f.name, "--quiet", "--threads", "1", *flags],
                              capture_output=True, text=True)
    if done.returncode not in (0, 3):
        return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    verdicts = map(json.loads, done.stdout.strip("\n").split("\n"))
    return {v["id"]: v.get("logits") or v.get("error", {}).get("message") or v["probabilities"] for v in verdicts}


def numbers(logits):
    return [x for x in logits if isinstance(x, (int, float))] if isinstance(logits, list) else []


def errors(a, b):
    return [abs(x - y) for i in a for x, y in zip(numbers(a[i]), numbers(b[i]))]


def ungated(package, folder):
    shutil.copytree(package, folder)
    manifest = json.loads((folder / "package.json").read_text())
    manifest.pop("golden", None)
    (folder / "package.json").write_text(json.dumps(manifest))
    return folder


def check(preferd, package, rows, device):
    """(what there is to say, what is wrong, mean errors of bf16: ours, theirs)"""
    said, wrong, means = [], [], None
    want = score(preferd, package, rows, "--compute", "fp32")
    if isinstance(want, str):
        return [], [f"cpu: {want}"], None
    encoder = json.loads((package / "base/config.json").read_text()).get("model_type", "").replace("-", "_") in ENCODERS
    got = {}
    for mode in ["fp32"] if encoder else ["dense", "packed", "fp8", "fp32"]:
        flags = ["--device", device] + (["--compute", "fp32"] if mode == "fp32" else ["--residency", mode])
        got[mode] = score(preferd, package, rows, *flags)
        if isinstance(got[mode], str) and ("expected a multiple of 8" in got[mode] or mode == "fp8" and "expected multiples of 16" in got[mode]):
            said.append(f"{mode} refused")
            continue
        if isinstance(got[mode], str):
            wrong.append(f"{mode}: {got[mode]}")
            continue
        off = errors(want, got[mode])
        said.append(f"{mode} {max(off, default=0):.2g}")
        if mode == "fp32" and max(off, default=0) > 5e-4:
            wrong.append("fp32 is not the CPU's")
        if mode == "dense" and package.name in HUGGING_FACE and off:
            means = sum(off) / len(off), HUGGING_FACE[package.name]
            said.append(f"mean {means[0]:.2g}, transformers {means[1]:.2g}")
            if means[0] > means[1] * 4 / 3 + 0.01:
                wrong.append("farther from fp32 than transformers")
        if mode in ("dense", "fp8"):
            others = [{**r, "id": f"{r['id']}/{i}"} for r in rows[::-1] for i in range(3)][:: 2 if mode == "dense" else 1]
            # Beside pairs of the same prompts, so that forwards share them.
            others += [{**r, "id": f"beside/{i}", "response_b": rows[i - 1]["response_b"]} for i, r in enumerate(rows)]
            again = score(preferd, package, others, *flags)
            if isinstance(again, str):
                wrong.append(f"{mode} again: {again}")
            elif changed := [i for i, v in again.items() if not i.startswith("beside") and got[mode][i.split("/")[0]] != v]:
                wrong.append(f"{mode}: other batches, other bits in {len(changed)} of {len(again)} rows")
    if {"dense", "packed"} <= got.keys() and got["dense"] != got["packed"]:
        wrong.append("packed has other bits than dense")
    return said, wrong, means


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preferd")
    parser.add_argument("packages", nargs="*")
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--device", default="cuda")
    args = parser.parse_args()
    rows = [json.loads(line) for line in (FIXTURES / "rows.jsonl").read_text().strip("\n").split("\n")]
    names = args.packages or sorted(p.parent.name for p in FIXTURES.glob("*/package.json") if (p.parent / "base/config.json").exists())
    failed, means = 0, []
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        copies = {n: ungated(FIXTURES / n, pathlib.Path(folder) / n) for n in names}
        jobs = {n: pool.submit(check, args.preferd, copies[n], rows, args.device) for n in names}
        for name, job in jobs.items():
            said, wrong, mean = job.result()
            failed += bool(wrong)
            means += [mean] if mean else []
            print(f"{'FAILED' if wrong else 'ok':6} {name:24} {'; '.join(said + wrong)}", flush=True)
    print(f"{len(names) - failed} of {len(names)} packages agree")
    if means:
        ours, theirs = (sum(side) / len(means) for side in zip(*means))
        print(f"bf16, mean error of a logit over {len(means)} packages: {ours:.4f}, transformers + PEFT {theirs:.4f}")
        failed += ours > theirs
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
