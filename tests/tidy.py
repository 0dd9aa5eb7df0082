#!/usr/bin/env python3
"""clang-tidy with the configuration in the root, over the sources that have changed since it last passed them.

    tests/tidy.py [--seconds N] [FILE.cc ...]

Without files: all sources of the rooms, those first that were committed last. build/tidy/ keeps a stamp of every source that
passed; it is not checked again until it, one of our headers that it includes, its flags, .clang-tidy or clang-tidy change.
With --seconds no file is begun after so many seconds, and the last line says how many are left. Needs a configured build folder;
what a source includes is known once it is built, until then it is checked again after a change of any header.

All sources take an hour of one core, 7 to 20 seconds a file, nearly all of it in the headers of others: --seconds lets a run go on
where the last one stopped.

Findings in files of others are left out. Clang 14 refuses some of libtorch's headers under GCC 12's library in C++20, and reads on.
"""
import argparse, concurrent.futures, hashlib, json, os, re, shutil, subprocess, sys, time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
STAMPS = BUILD / "tidy"
ROOMS = ("base", "rows", "features", "model", "server", "cli", "training")
OURS = re.compile(rf"^{re.escape(str(ROOT))}/(?:{'|'.join(ROOMS)})/")


def output(*command):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def last_changed_first(files):
    """What is not committed stands before what is; what git does not know at the end."""
    names = output("git", "diff", "--name-only", "HEAD") + output("git", "log", "--format=", "--name-only")
    place = {name: i for i, name in reversed(list(enumerate(names.splitlines())))}
    return sorted(files, key=lambda f: (place.get(f, len(place) + 1e9), f))


def headers_of_objects():
    """Of each object file that ninja has built, our files that went into it."""
    found, current = {}, None
    for line in output("ninja", "-C", str(BUILD), "-t", "deps").splitlines():
        if line.startswith("    "):
            path = os.path.normpath(BUILD / line.strip())
            if OURS.match(path):
                current.append(path)
        elif ": #deps" in line:
            current = found.setdefault(line.split(":")[0], [])
    return found


class Keys:
    """What must be as it was for a source to need no check."""

    def __init__(self):
        self.commands = {os.path.relpath(c["file"], ROOT): c for c in json.loads((BUILD / "compile_commands.json").read_text())}
        self.headers = headers_of_objects()
        self.all_headers = sorted(str(p) for room in ROOMS for p in (ROOT / room).rglob("*.h"))
        checks = [line for line in (ROOT / ".clang-tidy").read_text().splitlines() if not line.startswith("#")]
        self.tool = "\n".join([output("clang-tidy", "--version"), *checks])
        self.digests = {}

    def digest(self, path):
        if path not in self.digests:
            self.digests[path] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        return self.digests[path]

    def key(self, file):
        command = self.commands[file]
        made = re.search(r" -o (\S+)", command["command"])
        read = self.headers.get(made and made.group(1), self.all_headers)
        text = [self.tool, command["command"], *(self.digest(p) for p in sorted({*read, str(ROOT / file)}) if os.path.exists(p))]
        return hashlib.sha256("\n".join(text).encode()).hexdigest()


def findings(file):
    """What clang-tidy says about our files: each finding with the lines below it, notes among them."""
    p = subprocess.run(["clang-tidy", "--quiet", "-p", str(BUILD), "--extra-arg=-Wno-unknown-warning-option", file],
                       cwd=ROOT, capture_output=True, text=True)
    if p.returncode < 0 or "Error while processing" in p.stderr and not p.stdout:
        return p.stderr
    out, keep = [], False
    for line in p.stdout.splitlines():
        if re.match(r"^/\S+:\d+:\d+: (?:error|warning):", line):
            keep = OURS.match(line) is not None
        if keep:
            out.append(line)
    return "\n".join(out)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float)
    parser.add_argument("files", nargs="*")
    asked = parser.parse_args()
    if shutil.which("clang-tidy") is None:
        sys.exit("tidy: error: clang-tidy is not installed (apt-get install clang-tidy)")
    if not (BUILD / "compile_commands.json").exists():
        sys.exit("tidy: error: build/ is not configured (cmake --preset release -DPREFERD_TESTS=ON)")
    keys = Keys()
    files = [os.path.relpath(f, ROOT) for f in asked.files] or last_changed_first(
        f for f in keys.commands if f.startswith(tuple(room + "/" for room in ROOMS)))
    STAMPS.mkdir(exist_ok=True)
    stamps = {f: STAMPS / f.replace("/", "_") for f in files}
    todo = [f for f in files if not stamps[f].exists() or stamps[f].read_text() != keys.key(f)]
    end = time.monotonic() + (asked.seconds if asked.seconds is not None else float("inf"))

    def check(file):
        if time.monotonic() > end:
            return None
        found = findings(file)
        if found:
            print(found, flush=True)
        else:
            stamps[file].write_text(keys.key(file))
        return not found

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(check, todo))
    print(f"tidy: {len(files)} sources: {len(files) - len(todo)} as they were when they passed, {results.count(True)} pass now, "
          f"{results.count(False)} with findings, {results.count(None)} left")
    sys.exit(1 if False in results else 0)


if __name__ == "__main__":
    main()
