#!/usr/bin/env python3
"""Measures the GPU engine beside its ceilings and beside transformers + PEFT, and writes bench/results/DATE-CARD.md.

    run.py [--only ceilings,kernels,score,http,engine,hf] [--build build-cuda/dist] [--package FOLDER] ...

ceilings  ceilings.py: bf16 products and a copy, through torch
kernels   the kernel benches, bench/gpu/*.cu, as built in --build
score     `preferd score` over --rows pairs of 2048 tokens on a package of Gemma-2-9B's shape (made under --package if it is missing)
http      `preferd serve` on that package: pairs of 512 tokens from one client, of 2048 from 1, 8 and 32 at once
engine    engine_bench.cc: whole forwards of that package, 8 x 2048 tokens and 1 x 512, by residency of the weights
hf        hugging_face.py

Each part can be run alone: results of earlier runs on the same day and card stay in DATE-CARD.json, from which the page is made.
Needs python3 with torch (ceilings, hf) and NVIDIA's driver. Exit code 1 if a part failed; the others are written.
"""
import argparse, datetime, json, os, pathlib, re, shlex, subprocess, sys, time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PARTS = ("ceilings", "kernels", "score", "http", "engine", "hf")
SCORED = re.compile(r"scored (\d+) rows \((\d+) failed\) in ([\d.]+) s: ([\d.]+) pairs/s, (\d+) tokens/s; (.*)")


def run(command):
    """Returns its standard output and error, and the seconds it took; fails with the last lines of both."""
    start = time.monotonic()
    p = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if p.returncode:
        raise RuntimeError(f"{shlex.join(map(str, command))}: exit code {p.returncode}\n{(p.stdout + p.stderr)[-1000:]}")
    return p.stdout, p.stderr, time.monotonic() - start


def card():
    name, driver = run(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader", "-i", "0"])[0].strip().split(", ")
    return name, driver


def commit():
    p = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return p.stdout.strip() or "unknown"


def table(lines):
    names = list(dict.fromkeys(n for line in lines for n in line))
    shown = lambda v: f"{v:.5g}" if isinstance(v, float) else str(v)
    return "\n".join(["| " + " | ".join(names) + " |", "|" + "---|" * len(names), *("| " + " | ".join(shown(line.get(n, "")) for n in names) + " |" for line in lines)])


def json_lines(text):
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def fenced(text):
    return "```\n" + text.strip() + "\n```"


def ceilings(a):
    return table(json_lines(run([sys.executable, HERE / "ceilings.py"])[0]))


def hugging_face(a):
    out, err, _ = run([sys.executable, HERE / "hugging_face.py", *shlex.split(a.hf_flags)])
    lines = json_lines(out)
    notes = [line for line in err.splitlines() if line.startswith("hugging_face:")]
    cap = "`sdpa` leaves out the soft-cap of attention's logits; `eager` and `flex_attention` compute the model as it is."
    return "\n\n".join([cap, table([line for line in lines if line["part"] != "versions"]), *notes, str({k: v for k, v in lines[-1].items() if k != "part"})])


def kernels(a):
    """What each program of bench/gpu/*.cu prints."""
    out = []
    for source in sorted(HERE.glob("*.cu")):
        program = a.build / source.stem
        out.append(f"### {source.stem}\n\n" + (fenced(run([program])[0]) if program.exists() else f"not built: no {program}"))
    return "\n\n".join(out)


def engine(a):
    lines = []
    for residency in a.residency.split(","):
        for pairs, tokens in ((8, 2048), (1, 512)):
            command = [a.build / "engine_bench", package(a), rows_of(a.package, max(pairs, 8), tokens), "--residency", residency, "--pairs", pairs, "--repeats", 10]
            try:
                lines += json_lines(run(command)[0])
            except RuntimeError as e:
                lines.append({"residency": residency, "failed": str(e).strip().splitlines()[-1]})
    return table(lines)


def package(a):
    if not (a.package / "package.json").exists():
        run([sys.executable, HERE / "make_9b.py", "package", a.package, "--layers", a.layers])
    return a.package


def rows_of(folder, count, tokens):
    rows = folder / f"rows_{count}_{tokens}.jsonl"
    run([sys.executable, HERE / "make_9b.py", "rows", rows, "--count", count, "--tokens", tokens])
    return rows


def scored(a, count, tokens):
    folder = package(a)
    rows, out = rows_of(folder, count, tokens), folder / "verdicts.jsonl"
    command = [a.build / "preferd", "score", "--package", folder, "--input", rows, "--output", out, *shlex.split(a.score_flags)]
    err, seconds = run(command)[1:]
    found = SCORED.search(err)
    if not found:
        raise RuntimeError(f"{shlex.join(map(str, command))}: no line of figures in its output:\n{err[-1000:]}")
    bad = [line for line in out.read_text().splitlines() if "logits" not in json.loads(line)]
    if bad or int(found[2]):
        raise RuntimeError(f"{len(bad)} rows without logits, {found[2]} failed: {bad[:1]}")
    return {"rows": count, "tokens a row": tokens, "ms a row": round(float(found[3]) / count * 1e3, 2), "pairs/s": float(found[4]), "tokens/s": int(found[5]),
            "start to end, s": round(seconds, 1), "how": found[6]}


def score(a):
    return table([scored(a, a.rows, 2048)])


def http(a):
    out = []
    for tokens, clients in ((512, "1"), (2048, "1,8,32")):
        command = [sys.executable, HERE.parent / "http_bench.py", "--rows", rows_of(package(a), a.rows, tokens), "--clients", clients, "--requests", a.rows,
                   a.build / "preferd", "serve", "--package", a.package, *shlex.split(a.serve_flags)]
        out.append(f"Pairs of {tokens} tokens:\n\n{fenced(run(command)[0])}")
    return "\n\n".join(out)


def write(path, page):
    names = {"ceilings": "Ceilings", "kernels": "Kernels", "score": "preferd score, pairs of 2048 tokens", "http": "preferd serve", "engine": "Engine", "hf": "transformers + PEFT"}
    text = [f"# {page['card']}, {page['date']}", "The model has Gemma-2-9B's shape with random weights: NF4, LoRA r 16 on q, k, v, and a head of 3 outputs.\n`bench/gpu/run.py` made this page; its docstring says what each part is."]
    for part in PARTS:
        if part in page["parts"]:
            p = page["parts"][part]
            text.append(f"## {names[part]}\n\nCommit {p['commit']}, driver {p['driver']}, {p['time']}.\n\n{p['text']}")
    path.with_suffix(".json").write_text(json.dumps(page, indent=1) + "\n")
    path.write_text("\n\n".join(text) + "\n")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--only", default=",".join(PARTS)), p.add_argument("--build", type=pathlib.Path, default=ROOT / "build-cuda", help="folder of the binaries")
    p.add_argument("--package", type=pathlib.Path, default=pathlib.Path("/tmp/gemma_9b")), p.add_argument("--layers", type=int, default=42)
    p.add_argument("--rows", type=int, default=64), p.add_argument("--commit", default=commit(), help="where there is no git")
    p.add_argument("--score-flags", default="--device cuda", help="more flags of preferd score")
    p.add_argument("--serve-flags", default="--device cuda --batch-tokens 16384", help="more flags of preferd serve")
    p.add_argument("--residency", default="packed,dense,fp8")
    p.add_argument("--hf-flags", default=""), p.add_argument("--results", type=pathlib.Path, default=ROOT / "bench/results")
    a = p.parse_args()
    a.build, a.package = a.build.resolve(), a.package.resolve()
    wanted = a.only.split(",")
    if unknown := set(wanted) - set(PARTS):
        p.error(f"--only: unknown {', '.join(sorted(unknown))}, expected some of {', '.join(PARTS)}")
    name, driver = card()
    today = datetime.date.today().isoformat()
    a.results.mkdir(parents=True, exist_ok=True)
    path = a.results / f"{today}-{re.sub('[^a-z0-9]+', '-', name.lower())}.md"
    page = json.loads(path.with_suffix(".json").read_text()) if path.with_suffix(".json").exists() else {"card": name, "date": today, "parts": {}}
    parts = {"ceilings": ceilings, "kernels": kernels, "score": score, "http": http, "engine": engine, "hf": hugging_face}
    failed = []
    for part in (x for x in PARTS if x in wanted):
        start = time.monotonic()
        try:
            text = parts[part](a)
        except (RuntimeError, OSError) as e:
            failed.append(part)
            text = f"failed:\n\n{fenced(str(e))}"
        page["parts"][part] = {"commit": a.commit, "driver": driver, "time": datetime.datetime.now().isoformat(" ", "minutes"), "text": text}
        write(path, page)
        print(f"## {part} ({time.monotonic() - start:.0f} s)\n\n{text}\n", flush=True)
    print(path)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
