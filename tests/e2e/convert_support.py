"""What the tests of package conversion share: safetensors without torch, copies of fixtures, the binary. Importing takes BUILD_DIR and FIXTURES_DIR off the arguments."""
import hashlib, json, os, pathlib, shutil, struct, subprocess, sys, tempfile, unittest

BUILD, FIXTURES = pathlib.Path(sys.argv.pop(1)).resolve(), pathlib.Path(sys.argv.pop(1)).resolve()
PREFERD, PACKAGES = BUILD / "preferd", FIXTURES / "packages"
ROWS = PACKAGES / "rows.jsonl"
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith("PREFERD_")}


def run(*args, **more):
    p = subprocess.run([PREFERD, *map(str, args)], capture_output=True, text=True, timeout=120, env=CLEAN, **more)
    return p.returncode, p.stdout, p.stderr


def read_tensors(path):
    """Name -> (dtype, shape, bytes) of a safetensors file, or of all in a folder."""
    if path.is_dir():
        return {k: v for f in sorted(path.glob("*.safetensors")) for k, v in read_tensors(f).items()}
    data = path.read_bytes()
    start = 8 + struct.unpack("<Q", data[:8])[0]
    return {n: (e["dtype"], e["shape"], data[start + e["data_offsets"][0]:start + e["data_offsets"][1]])
            for n, e in json.loads(data[8:start]).items() if n != "__metadata__"}


def write_tensors(path, tensors):
    header, data = {}, b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def widened(tensor):
    """The floats of a tensor."""
    dtype, _, data = tensor
    if dtype == "F32":
        return list(struct.unpack(f"<{len(data) // 4}f", data))
    if dtype == "F16":
        return list(struct.unpack(f"<{len(data) // 2}e", data))
    return [struct.unpack("<f", b"\0\0" + data[i:i + 2])[0] for i in range(0, len(data), 2)]


def digest(tensors):
    """As tests/fixtures/check_quantize.py computes it of what transformers wrote."""
    return hashlib.sha256(b"".join(json.dumps([n, *tensors[n][:2]]).encode() + tensors[n][2] for n in sorted(tensors))).hexdigest()


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        self.out = self.dir / "out"

    def copy(self, package, name=None):
        return pathlib.Path(shutil.copytree(PACKAGES / package, self.dir / (name or package)))

    def edit(self, path, **keys):
        """Sets keys of a JSON file; None removes."""
        value = {k: v for k, v in (json.loads(path.read_text()) | keys).items() if v is not None}
        path.write_text(json.dumps(value))

    def edit_tensors(self, path, change):
        tensors = read_tensors(path)
        change(tensors)
        write_tensors(path, tensors)

    def refused(self, code, words, *args, **more):
        """Fails with one sentence on standard error, and leaves nothing."""
        before = sorted(self.out.rglob("*")) if self.out.is_dir() else self.out.exists()
        found, _, err = run(*args, **more)
        self.assertEqual(found, code, err)
        last = err.rstrip().split("\n")[-1]
        self.assertTrue(last.startswith("error: "), err)
        for word in [words] if isinstance(words, str) else words:
            self.assertIn(word, last)
        self.assertEqual(sorted(self.out.rglob("*")) if self.out.is_dir() else self.out.exists(), before)
        self.assertFalse(self.out.with_name("out.part").exists())
        return last

    def scored(self, package, rows=ROWS):
        """What preferd score writes, as text."""
        to = self.dir / "scored.jsonl"
        code, _, err = run("score", "--compute", "fp32", "--package", package, "--input", rows, "--output", to, "--quiet")
        self.assertEqual(code, 0, err)
        return to.read_text()
