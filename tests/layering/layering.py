#!/usr/bin/env python3
"""The house's rules that a compiler does not see: who may include whom, who may know torch, which namespace a
room has, how long a file may be.

    layering.py ROOT

Prints one line a breach; exit code 1 if there is any.
"""
import re, sys
from pathlib import Path

# Room -> rooms whose headers it may include, besides its own; with their sub-rooms, or "ROOM/." without them.
MAY_INCLUDE = {
    "base": set(),
    "rows": {"base"},
    "features": {"base"},
    "model/text": {"base", "rows"},
    "model/kernels": {"base"},
    "model/quant": {"base"},
    "model/checkpoint": {"base", "model/quant"},
    "model/package": {"base", "features", "model/text", "model/checkpoint", "model/quant"},
    "model/backend": {"base", "model/kernels", "model/quant", "model/checkpoint"},
    "model/ops": {"base", "model/backend", "model/kernels", "model/quant", "model/checkpoint"},
    "model/layers": {"base", "model/backend", "model/kernels", "model/quant", "model/checkpoint", "model/package", "model/ops"},
    "model/families": {"base", "model/backend", "model/kernels", "model/quant", "model/checkpoint", "model/package", "model/ops", "model/layers"},
    "model/scorer": {"base", "rows", "features", "model/text", "model/checkpoint", "model/quant", "model/kernels", "model/package",
                     "model/backend", "model/ops", "model/layers", "model/families"},
    "model/convert": {"base", "rows", "features", "model/text", "model/checkpoint", "model/quant", "model/package", "model/scorer"},
    "model/default": {"base"},
    "server": {"base", "model/scorer", "server"},
    "server/scheduling": {"base", "model/scorer", "server/."},
    "server/http": {"base", "server/scheduling", "server/."},
    "server/api": {"base", "rows", "model/scorer", "model/text", "server/http", "server/scheduling", "server/."},
    "training": {"base", "model/scorer", "training/commands"},
    "training/optim": {"base"},
    "training/objective": {"base", "model/package"},
    "training/distributed": {"base"},
    "training/config": {"base", "model/checkpoint", "model/convert", "model/default", "model/scorer", "training/data", "training/objective", "training/optim"},
    "training/model": {"base", "features", "model", "training/config", "training/objective", "training/optim"},
    "training/run": {"base", "rows", "features", "model", "training/config", "training/data", "training/distributed",
                     "training/evaluation", "training/events", "training/model", "training/objective", "training/optim",
                     "training/report"},
    "training/commands": {"base", "model/convert", "model/default", "model/scorer", "training/config", "training/data", "training/report",
                          "training/run"},
    "training/data": {"base", "rows", "features", "model/text", "model/scorer"},
    "training/evaluation": {"base", "rows", "features"},
    "training/events": {"base"},
    "training/report": {"base", "rows", "features", "training/data", "training/evaluation"},
    "cli": {"base", "rows", "features", "server", "model/scorer", "model/convert", "model/text", "model/package", "model/default",
            "model/checkpoint"},
}
SCORER = {"model/scorer/scorer.h", "model/scorer/verdict_json.h", "model/scorer/ranking.h", "model/scorer/prefixes.h"}
SERVER_COMMON = {"server/clock.h", "server/ids.h", "server/log.h", "server/metrics.h", "server/options.h", "server/version.h"}
ONLY_HEADERS = {("server", "model/scorer"): SCORER, ("server/scheduling", "model/scorer"): SCORER, ("server/api", "model/scorer"): SCORER,
                ("server/api", "model/text"): {"model/text/pair.h"},
                ("model/text", "rows"): {"rows/turns.h"},
                ("server/scheduling", "server"): SERVER_COMMON, ("server/http", "server"): SERVER_COMMON, ("server/api", "server"): SERVER_COMMON,
                ("training/report", "training/data"): {"training/data/explore.h", "training/data/lengths.h"},
                ("training/data", "model/text"): {"model/text/pair.h"},
                ("training/data", "model/scorer"): {"model/scorer/scorer.h", "model/scorer/pair_encoder.h"}}
TORCH = re.compile(r"(torch|ATen|c10|caffe2)/")
TORCH_FREE = {"base", "rows", "features", "model/text", "model/checkpoint", "model/quant", "model/package", "model/kernels",
              "model/convert", "model/default", "server", "server/scheduling", "server/http", "server/api", "cli", "training/data", "training/evaluation", "training/events", "training/report"}
TORCH_FREE_HEADERS = {f"model/scorer/{h}.h" for h in ("scorer", "load", "device", "pair_encoder", "golden", "inspect", "build", "model_shape", "adapter_files", "verdict_json")}
# The namespace of a room where it is not its last folder; base/ is the root of all.
NAMESPACES = {"base": "preferd", "model/default": "preferd::embedded", "model/backend/cuda": "preferd::backend::cuda",
              "model/kernels/cuda": "preferd::kernels::cuda"}
FORWARD = re.compile(r"^namespace (preferd[\w:]*) \{\n(?:(?:class|struct|enum class) \w+;\n)+\}", re.M)  # names of other rooms
OPENED = re.compile(r"^(?:inline )?namespace (preferd[\w:]*) \{", re.M)
ONE_PLACE = ["httplib.h"]  # included by at most one source file, and by no header
MAX_LINES, MAX_TEST_LINES = 450, 600
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', re.M)


def sources(root):
    for room in ("base", "rows", "features", "model", "server", "training", "cli"):
        for path in sorted((root / room).rglob("*")):
            if path.suffix in (".cc", ".h", ".S", ".cu", ".cuh"):
                yield path.relative_to(root).as_posix(), path.read_text("utf-8", "replace")


def room_of(path):
    """The room with rules of its own that holds the file: the longest prefix."""
    parts = path.split("/")[:-1]
    while parts and "/".join(parts) not in MAY_INCLUDE:
        parts.pop()
    return "/".join(parts)


def namespace_of(path):
    parts = path.split("/")[:-1]
    while parts and "/".join(parts) not in NAMESPACES:
        if "/".join(parts) in MAY_INCLUDE and parts[0] not in ("training", "server"):
            return "preferd::" + parts[-1]
        parts.pop()
    return NAMESPACES.get("/".join(parts), "preferd::" + path.split("/")[0])


def allowed(room, other):
    return other == room or any(other == r or other + "/." == r or other.startswith(r + "/") for r in MAY_INCLUDE[room])


def breaches(files):
    known = dict(files)
    torch_headers = {}                                     # header -> does it, or what it includes, name torch?

    def knows_torch(path, seen=()):
        if path not in torch_headers:
            names = [a or b for a, b in INCLUDE.findall(known[path])]
            torch_headers[path] = any(TORCH.match(n) or n in known and n not in seen and knows_torch(n, (*seen, path)) for n in names)
        return torch_headers[path]

    placed = {name: [] for name in ONE_PLACE}
    for path, text in files:
        room = room_of(path)
        if not room:
            yield f"{path}: lies in no room that has rules"
            continue
        free = room in TORCH_FREE or path in TORCH_FREE_HEADERS
        for quoted, angled in INCLUDE.findall(text):
            name = quoted or angled
            if name in placed:
                placed[name].append(path)
            if free and TORCH.match(name):
                yield f"{path}: includes {name}, but knows no torch"
            if not quoted:
                continue
            if name not in known:
                if not name.endswith(".inc") and not re.match(r"hwy/", name):
                    yield f"{path}: includes {name}, which is no file of the house (paths start at the root)"
                continue
            other = room_of(name)
            if not allowed(room, other):
                yield f"{path}: {room} may not include {name}"
            elif name not in ONLY_HEADERS.get((room, other), {name}):
                yield f"{path}: of {other}, {room} may include only {', '.join(sorted(ONLY_HEADERS[room, other]))}; not {name}"
            if free and knows_torch(name):
                yield f"{path}: includes {name}, which brings torch in"
        own = namespace_of(path)
        for name in OPENED.findall(FORWARD.sub("", text)):
            if name != own and not name.startswith(own + "::"):
                yield f"{path}: opens namespace {name}, expected {own}"
        lines = text.count("\n")
        if lines > MAX_LINES:
            yield f"{path}: {lines} lines, the limit is {MAX_LINES}"
    for name, where in placed.items():
        if len(where) > 1 or any(not p.endswith(".cc") for p in where):
            yield f"{name} is included by {', '.join(where)}; expected one source file"


def test_lengths(root):
    for path in sorted((root / "tests").rglob("*")):
        if path.suffix in (".cc", ".h", ".py") and path.read_text("utf-8").count("\n") > MAX_TEST_LINES:
            yield f"{path.relative_to(root)}: over {MAX_TEST_LINES} lines"


# Each must be found; a rule that finds nothing protects nothing.
PLANTED = [
    ("base/x.cc", '#include "rows/rows.h"\n', "base may not include"),
    ("rows/x.cc", '#include "features/arena.h"\n', "rows may not include"),
    ("features/x.cc", '#include "model/text/pair.h"\n', "features may not include"),
    ("server/x.cc", '#include "training/x.h"\n', "server may not include"),
    ("server/scheduling/x.cc", '#include "server/http/message.h"\n', "server/scheduling may not include"),
    ("server/http/x.cc", '#include "server/api/service.h"\n', "server/http may not include"),
    ("server/http/x.cc", '#include "server/serve.h"\n', "server/http may include only"),
    ("server/api/x.cc", '#include "model/scorer/load.h"\n', "server/api may include only"),
    ("training/run/x.cc", '#include "server/http/message.h"\n', "training/run may not include"),
    ("training/data/x.cc", '#include "model/scorer/load.h"\n', "training/data may include only"),
    ("training/report/x.cc", '#include "training/data/dataset.h"\n', "training/report may include only"),
    ("training/config/x.cc", '#include "training/run/loop.h"\n', "training/config may not include"),
    ("training/model/x.cc", '#include "training/data/dataset.h"\n', "training/model may not include"),
    ("training/commands/x.cc", '#include "model/ops/compute.h"\n', "training/commands may not include"),
    ("training/events/x.cc", '#include "training/data/sampler.h"\n', "training/events may not include"),
    ("server/x.cc", '#include "model/scorer/load.h"\n', "server may include only"),
    ("server/api/x.cc", '#include "model/text/tokenizer.h"\n', "server/api may include only"),
    ("model/text/x.cc", '#include "model/quant/dtype.h"\n', "model/text may not include"),
    ("model/text/x.cc", '#include "rows/rows.h"\n', "model/text may include only"),
    ("model/kernels/x.cc", '#include "model/ops/compute.h"\n', "model/kernels may not include"),
    ("model/backend/x.cc", '#include "model/ops/compute.h"\n', "model/backend may not include"),
    ("model/ops/x.cc", '#include "model/layers/pool.h"\n', "model/ops may not include"),
    ("model/layers/x.cc", '#include "model/families/body.h"\n', "model/layers may not include"),
    ("model/families/x.cc", '#include "model/scorer/scorer.h"\n', "model/families may not include"),
    ("model/scorer/x.cc", '#include "server/http/message.h"\n', "model/scorer may not include"),
    ("model/scorer/x.cc", '#include "model/convert/quantize.h"\n', "model/scorer may not include"),
    ("model/convert/x.cc", '#include "model/scorer/adapted_model.h"\n', "brings torch in"),
    ("model/quant/x.cc", "#include <ATen/core/Tensor.h>\n", "knows no torch"),
    ("cli/x.cc", "#  include <c10/core/Device.h>\n", "knows no torch"),
    ("cli/x.cc", '#include "model/scorer/adapted_model.h"\n', "brings torch in"),
    ("model/scorer/load.h", '#include "model/families/body.h"\n', "brings torch in"),
    ("server/x.cc", "#include <httplib.h>\n", None),
    ("server/x.h", "#include <httplib.h>\n", "httplib.h is included by"),
    ("base/x.cc", "\n" * (MAX_LINES + 1), f"the limit is {MAX_LINES}"),
    ("base/x.cc", '#include "files.h"\n', "no file of the house"),
    ("model/ops/x.cc", "namespace preferd {\n", "opens namespace preferd, expected preferd::ops"),
    ("training/run/x.cc", "namespace preferd::run {\n", "expected preferd::training"),
    ("model/kernels/cuda/x.cu", "namespace preferd::kernels {\n", "expected preferd::kernels::cuda"),
    ("server/x.h", "namespace preferd::scorer {\nclass Scorer;\n}\n", None),
]


def self_test(files):
    without = [(p, t) for p, t in files if not re.search(r"[<\"]httplib\.h[>\"]", t)]
    stub = [("training/x.h", "")]
    for path, text, word in PLANTED:
        found = list(breaches([f for f in without if f[0] != path] + stub + [(path, text)]))
        if word is None and found or word and not any(word in f for f in found):
            yield f"self test: {path} with {text[:60]!r} gave {found}, expected {word!r}"


def main():
    root = Path(sys.argv[1])
    files = list(sources(root))
    found = [*breaches(files), *test_lengths(root)]
    found = found or list(self_test(files))
    print("\n".join(found) or f"{len(files)} files keep the rules")
    return 1 if found or len(files) < 100 else 0


if __name__ == "__main__":
    sys.exit(main())
