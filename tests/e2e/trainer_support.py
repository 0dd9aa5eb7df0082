"""What the tests of the real trainer share: a tiny run, its bytes, its losses. Importing takes BUILD_DIR and FIXTURES_DIR off the arguments."""
import gzip, hashlib, json, os, pathlib, socket, struct, subprocess, sys, tempfile, unittest

BUILD, FIXTURES = pathlib.Path(sys.argv.pop(1)).resolve(), pathlib.Path(sys.argv.pop(1)).resolve()
ROOT, TINY = FIXTURES.parent.parent, FIXTURES / "training" / "tiny.toml"
TRAINER, PREFERD = BUILD / "trainer", BUILD / "preferd"
ROWS = [json.loads(line) for line in gzip.open(FIXTURES / "training" / "arena_train.jsonl.gz", "rt", encoding="utf-8")]
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("PREFERD_", "SLURM_")) and k not in
         ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")}
EXACT = CLEAN | {"PREFERD_COMPUTE": "fp32"}  # of preferd, where bits are compared
PAIR = [{"text": "<prompt>: "}, {"field": "prompt"}, {"text": "\n<a>: "}, {"field": "response_a"}, {"text": "\n<b>: "}, {"field": "response_b"}]


def toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def head(*sizes, **more):
    """package.head: linears between the sizes, a GELU between linears."""
    layers = []
    for i, o in zip(sizes, sizes[1:]):
        layers += [{"type": "gelu"}] * bool(layers) + [{"type": "linear", "in": i, "out": o}]
    return {"layers": layers, **more}


def command(out, keys, flags=(), config=TINY):
    return [TRAINER, "train", "--config", config, *flags, f"output={out}", *(f"{k}={toml(v)}" for k, v in keys.items())]


def start(out, keys={}, flags=(), env={}, config=TINY, **more):
    return subprocess.Popen(command(out, keys, flags, config), cwd=ROOT, env=CLEAN | env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            text=True, **more)


def train(out, keys={}, flags=(), env={}, config=TINY, **more):
    p = start(out, keys, flags, env, config, **more)
    _, err = p.communicate(timeout=120)
    return p.returncode, err


def losses(out):
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [(r["step"], r.get("loss"), r.get("gradient_norm"), r.get("validation")) for r in lines]


def tensors(path):
    """Name -> list of floats, of a safetensors file in fp32."""
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    entries = json.loads(data[8:8 + size])
    entries.pop("__metadata__", None)
    found = {}
    for name, e in entries.items():
        begin, end = e["data_offsets"]
        found[name] = struct.unpack(f"<{(end - begin) // 4}f", data[8 + size + begin:8 + size + end])
    return found


def digests(out):
    """Everything that a run leaves and that must not depend on how often it was killed."""
    found = {}
    for name in ("best/adapter/adapter_model.safetensors", "best/head.safetensors", "best/package.json", "best/golden.jsonl",
                 "predictions.jsonl", "evaluation.json"):
        if (out / name).exists():
            found[name] = hashlib.sha256((out / name).read_bytes()).hexdigest()
    for folder in (out / "checkpoints").iterdir():
        assert not folder.name.endswith(".part"), folder
        found[folder.name] = hashlib.sha256((folder / "state.safetensors").read_bytes()).hexdigest()
    return found


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ranks(size):
    port = str(free_port())
    return [{"RANK": str(r), "WORLD_SIZE": str(size), "LOCAL_RANK": str(r), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port} for r in range(size)]


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        self.out = self.dir / "run"

    def rows(self, name, rows):
        path = self.dir / name
        path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows), "utf-8")
        return str(path)

    def done(self, out=None, keys={}, flags=(), **more):
        code, err = train(out or self.out, keys, flags, **more)
        self.assertEqual(code, 0, err)
        return err

    def refused(self, code, words, out=None, keys={}, flags=(), **more):
        found, err = train(out or self.out, keys, flags, **more)
        last = err.rstrip().split("\n")[-1]
        self.assertEqual(found, code, err)
        self.assertTrue(last.startswith("error: "), err)
        for word in [words] if isinstance(words, str) else words:
            self.assertIn(word, last)
        return err


def sample(folder):
    """Fewer rows, for runs that are over in a second."""
    paths = []
    for name, part in (("train", ROWS[:60]), ("valid", ROWS[60:90])):
        path = pathlib.Path(folder) / f"{name}.jsonl"
        path.write_text("".join(json.dumps(r) + "\n" for r in part), "utf-8")
        paths.append([str(path)])
    return paths


SAMPLE = tempfile.TemporaryDirectory()
TRAIN, VALID = sample(SAMPLE.name)
SHORT = {"loop.max_steps": 4, "loop.epochs": 1, "threads": 1, "data.train": TRAIN, "data.valid": VALID}

# No dropout: its masks depend on how examples are dealt.
PLAIN = {"package.head": head(80, 32, 1, pooling="last", layer_norm=True, output="difference",
                              feature_projection={"out": 16, "activation": "gelu"}),
         "package.name": "p", "threads": 1, "loop.batch_examples": 6, "watch.evaluate_every": 5, "data.train": TRAIN, "data.valid": VALID}
