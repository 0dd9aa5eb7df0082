#!/usr/bin/env python3
"""How long a 9B model takes from start to ready, compared with reading its files from the page cache in the same run.

    load_9b.py PREFERD FOLDER [--layers 42] [--golden] [--keep]

Makes a package of Gemma-2-9B's shape under FOLDER (gemma_9b.py: 6.6 GB in four shards), reads it once, then times `cat` of
its files and `preferd serve` from start to /readyz 200, and prints VmHWM. With --golden the same again with 16 golden pairs
of a few tokens, scored before it is ready. Removes what it made, unless --keep. Expected: ready <= 1.5 x cat + 10 s without
golden pairs. Takes 7 GB of disk and of page cache; standard library only.
"""
import argparse, http.client, json, os, pathlib, re, shutil, signal, socket, subprocess, time

import gemma_9b


def add_golden(preferd, folder):
    rows, out = folder / "rows.jsonl", folder / "scored.jsonl"
    pairs = [{"id": i, "prompt": "ab"[i % 2], "response_a": chr(97 + i), "response_b": chr(98 + i)} for i in range(16)]
    rows.write_text("".join(json.dumps(p) + "\n" for p in pairs))
    subprocess.run([preferd, "score", "--package", folder, "--input", rows, "--output", out, "--quiet"], check=True)
    logits = [json.loads(line)["logits"] for line in out.read_text().splitlines()]
    (folder / "golden.jsonl").write_text("".join(json.dumps(p | {"logits": z}) + "\n" for p, z in zip(pairs, logits)))
    manifest = json.loads((folder / "package.json").read_text())
    (folder / "package.json").write_text(json.dumps(manifest | {"golden": "golden.jsonl"}))


def cat(folder):
    start = time.monotonic()
    with open(os.devnull, "wb") as null:
        subprocess.run(["cat", *sorted(p for p in folder.rglob("*") if p.is_file())], stdout=null, check=True)
    return time.monotonic() - start


def ready(preferd, folder):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    start = time.monotonic()
    server = subprocess.Popen([preferd, "serve", "--package", folder, "--port", str(port)], stderr=subprocess.DEVNULL)
    try:
        while server.poll() is None and time.monotonic() - start < 900:
            try:
                c = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                c.request("GET", "/readyz")
                if c.getresponse().status == 200:
                    took = time.monotonic() - start
                    status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
                    return took, {k: int(re.search(k + r":\s+(\d+)", status)[1]) / 1e6 for k in ("VmHWM", "RssAnon", "RssFile")}
            except OSError:
                pass
            time.sleep(0.02)
        raise SystemExit(f"not ready; exit code {server.poll()}")
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def report(preferd, folder, what):
    before = min(cat(folder) for _ in range(2))
    took, memory = ready(preferd, folder)
    print(f"{what}: ready after {took:.2f} s, reading the files {before:.2f} s, bound {1.5 * before + 10:.2f} s; "
          + ", ".join(f"{k} {v:.2f} GB" for k, v in memory.items()), flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("preferd"), p.add_argument("folder", type=pathlib.Path)
    p.add_argument("--layers", type=int, default=42), p.add_argument("--golden", action="store_true"), p.add_argument("--keep", action="store_true")
    a = p.parse_args()
    available = int(re.search(r"MemAvailable:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]) / 1e6
    if available < 10:
        raise SystemExit(f"{available:.1f} GB of memory are available, expected 10 or more")
    folder = a.folder / "load_9b"
    try:
        if not folder.exists():
            gemma_9b.write_package(folder, a.layers)
        total = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
        print(f"{a.layers} layers, {total / 1e9:.2f} GB in files", flush=True)
        cat(folder)
        report(a.preferd, folder, "without golden pairs")
        if a.golden:
            add_golden(a.preferd, folder)
            report(a.preferd, folder, "with 16 golden pairs")
    finally:
        if not a.keep:
            shutil.rmtree(folder, ignore_errors=True)


main()
