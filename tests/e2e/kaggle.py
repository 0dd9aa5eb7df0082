#!/usr/bin/env python3
"""The package templates and recipes of training/recipes/kaggle, on a tiny base of their family: trained, read back, scored, packed, served.

    kaggle.py BUILD_DIR FIXTURES_DIR

A template becomes tiny by changing sizes alone (tiny() and SMALL): the base, the widths that hang on it, the room for texts, and how
many rows a step and how many steps a run has. What it says of input, quantization, head, adapter, rates and losses stays.
"""
import concurrent.futures, csv, gzip, json, math, re, shutil, statistics, subprocess, time, tomllib, unittest, urllib.request

from trainer_support import *

RECIPES = ROOT / "training/recipes"
TEMPLATES = RECIPES / "kaggle"

# Template -> the fixture whose base stands in for its own, and the runs of its recipe ("" where it is one run).
CASES = {
    "ohmatheus": ("chat_gemma2", ["submitted", "later"]),
    "lizhecheng02-gemma-cls": ("chat_gemma2", [""]),
    "lizhecheng02/qwen14b": ("chat_qwen2", [""]),
    "lizhecheng02/gemma9b": ("chat_gemma2", [""]),
    "lizhecheng02-mdeberta": ("deberta", [""]),
    "sriram6791-bilstm": ("bilstm", [""]),
    "l1ghtsource/normal": ("chat_gemma2", [""]),
    "l1ghtsource/reversed": ("chat_gemma2", [""]),
    "sriram6791-keras": ("chat_gemma2", [""]),
    "sriram6791-unsloth": ("chat_gemma2", [""]),
    "lcy80366872": ("chat_qwen2", ["first", "second"]),
    "tascj/m0": ("chat_gemma2", [""]),
    "tascj/m3": ("chat_llama3", [""]),
    "shyoulala": ("chat_gemma2", [""]),
    "daoyuanli2816": ("chat_gemma2", [""]),
    "maxreciprocate": ("chat_qwen2", [""]),
    "dhengw": ("chat_qwen2", [""]),
}
TEACHERS = {2: "lora_all_linear", 3: "biases"}  # fixture packages of two and of three classes

ROWS = [r for r in ROWS if r["winner"] != "tie"]
SMALL = {"device": "cpu", "precision": "fp32", "threads": 1, "data.folder": "", "data.valid_share": 0, "loop.epochs": 1, "loop.max_steps": 4,
         "loop.batch_examples": 6, "loop.batch_tokens": 4096, "watch.evaluate_every": 2}
NARROW = 8  # what the head has inside


def folder_of(path):
    return str(path.parent.relative_to(TEMPLATES))


def packages():
    return {folder_of(p): json.loads(p.read_text("utf-8")) for p in TEMPLATES.rglob("package.json")}


def recipe(folder, run):
    file = tomllib.loads((TEMPLATES / folder / "train.toml").read_text("utf-8"))
    def merged(onto, more):
        return {**onto, **{k: merged(onto.get(k, {}), v) if isinstance(v, dict) else v for k, v in more.items()}}
    return merged(file["defaults"], file["runs"][run]) if run else file


def fixture(name):
    return FIXTURES / "packages" / name / "base"


def tiny(package, base):
    """Keys that give the package this base: widths, and room for the template's characters and a little text."""
    shape, head = package["input"], json.loads(json.dumps(package["head"]))
    texts = [s["text"] for s in shape["template"] if "text" in s] + [v for v in shape.get("chat", {}).values() if isinstance(v, str)]
    config = json.loads((base / "config.json").read_text("utf-8"))
    width = config["hidden_size"] if "hidden_size" in config else 2 * config["hidden_sizes"][-1]  # two directions of an LSTM
    width *= 2 if head["output"] == "siamese" else 1
    if "feature_projection" in head:
        head["feature_projection"]["out"] = NARROW
        width += NARROW
    linears = [layer for layer in head.get("layers", []) if layer["type"] == "linear"]
    for layer in linears:
        layer["in"], layer["out"] = width, layer["out"] if layer is linears[-1] else NARROW
        width = NARROW
    return {"package.base.path": str(base), "package.input.max_tokens": sum(map(len, texts)) + 160, "package.head": head}


def run(*args, **more):
    return subprocess.run([str(a) for a in args], capture_output=True, text=True, env=CLEAN, timeout=120, **more)


class Trained(Folder):
    """What trains a template, and the files that all do it with."""

    @classmethod
    def setUpClass(cls):
        cls.shared = tempfile.TemporaryDirectory()
        folder = pathlib.Path(cls.shared.name)
        cls.files = {}
        for side, part in (("train", ROWS[:30]), ("valid", ROWS[30:50])):
            cls.files[side] = folder / f"{side}.jsonl"
            cls.files[side].write_text("".join(json.dumps(r) + "\n" for r in part), "utf-8")
            cls.files[side + " exchanged"] = folder / f"{side}_exchanged.jsonl"
            made = run(sys.executable, RECIPES / "exchange_responses.py", cls.files[side], cls.files[side + " exchanged"])
            assert made.returncode == 0, made.stderr
        cls.teachers = {}
        for classes, name in TEACHERS.items():
            cls.teachers[classes] = folder / f"teacher{classes}.jsonl"
            made = run(TRAINER, "label", "--package", FIXTURES / "packages" / name, "--input", cls.files["train"], "--output", cls.teachers[classes])
            assert made.returncode == 0, made.stderr

    @classmethod
    def tearDownClass(cls):
        cls.shared.cleanup()

    def base(self, folder):
        """The fixture's; a recipe whose base is made of nothing makes its own, with the fixture's tokenizer."""
        found = fixture(CASES[folder][0])
        if folder != "sriram6791-bilstm":
            return found
        made, size = self.dir / "base", json.loads((found / "config.json").read_text("utf-8"))["vocab_size"]
        p = run(sys.executable, RECIPES / "make_bilstm.py", "--tokenizer", found, "--vocabulary", size, "--embedding", 12, "--hidden", 8, 5, "--out", made)
        self.assertEqual(p.returncode, 0, p.stderr)
        return made

    def scored(self, package, rows):
        p = run(PREFERD, "score", "--compute", "fp32", "--package", package, "--input", rows, "--output", "-")
        self.assertEqual(p.returncode, 0, p.stderr)
        return {r["id"]: r for r in map(json.loads, p.stdout.splitlines())}

    def served(self, package, rows):
        port = free_port()
        server = subprocess.Popen([PREFERD, "serve", "--compute", "fp32", "--package", package, "--port", str(port), "--threads", "1"], stderr=subprocess.DEVNULL, env=CLEAN)
        try:
            for _ in range(400):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5)
                    break
                except OSError:
                    time.sleep(.05)
            items = [{k: r[k] for k in ("id", "prompt", "response_a", "response_b")} | {"return": ["logits"]} for r in rows]
            request = urllib.request.Request(f"http://127.0.0.1:{port}/batch", json.dumps({"items": items}).encode(), {"Content-Type": "application/json"})
            return {r["id"]: r for r in json.loads(urllib.request.urlopen(request, timeout=60).read())["results"]}
        finally:
            server.kill()
            server.wait()

    def packed(self, made, out):
        """The same package put together again from its parts."""
        said = json.loads((made / "package.json").read_text("utf-8"))
        parts = ["--base", made / said["base"]["path"]]
        parts += ["--adapter", made / said["adapter"]["path"]] if "adapter" in said else []
        parts += ["--head", made / said["head"]["file"]] if "file" in said["head"] else []
        p = run(PREFERD, "pack", "--manifest", made / "package.json", *parts, "--output", out, "--quiet")
        self.assertEqual(p.returncode, 0, p.stderr)
        return out

    def same(self, verdict, other):
        for key in ("winner", "probabilities", "logits", "tokens", "truncated"):
            self.assertEqual(verdict[key], other[key], (key, verdict["id"]))

    def keys(self, folder, name, first):
        said = recipe(folder, name)
        side = " exchanged" if any("exchanged" in path for path in said["data"]["train"]) else ""
        keys = SMALL | tiny(said["package"], self.base(folder)) | {"data.train": [str(self.files["train" + side])],
                                                                  "data.valid": [str(self.files["valid" + side])]}
        if "first_layer" in said.get("adapter", {}):
            keys["adapter.first_layer"] = 1
        if said.get("objective", {}).get("distillation"):
            keys["data.teachers"] = [str(self.teachers[3 if said["package"]["head"]["output"] == "softmax_abt" else 2])]
        if name == "second":
            unlabelled, labels = self.dir / "open-models.jsonl", self.dir / "first.jsonl"
            unlabelled.write_text("".join(json.dumps({k: r[k] for k in ("id", "prompt", "response_a", "response_b")}) + "\n" for r in ROWS[50:60]), "utf-8")
            made = run(TRAINER, "label", "--package", first, "--input", self.files["train"], unlabelled, "--output", labels)
            self.assertEqual(made.returncode, 0, made.stderr)
            keys |= {"start": str(first), "data.teachers": [str(labels)], "data.train": [*keys["data.train"], str(unlabelled)]}
        return keys

    def check(self, folder):
        first = None
        for name in CASES[folder][1]:
            out = self.dir / (name or "run")
            self.done(out, self.keys(folder, name, first), ["--run", name] if name else [], config=TEMPLATES / folder / "train.toml")
            best = first = out / "best"
            steps = [loss for _, loss, _, _ in losses(out) if loss is not None]
            validation = [v["log_loss"] for _, _, _, v in losses(out) if v is not None]
            self.assertEqual((len(steps), len(set(validation))), (4, 2), (steps, validation))
            self.assertTrue(all(map(math.isfinite, steps)), steps)
            inspected = run(PREFERD, "inspect", "--package", best, "--verify")
            self.assertEqual(inspected.returncode, 0, inspected.stderr)
            self.assertIn("golden pairs agree", inspected.stdout)
            side = " exchanged" if folder == "l1ghtsource/reversed" else ""
            verdicts = self.scored(best, self.files["valid" + side])
            for line in (out / "predictions.jsonl").read_text().splitlines():
                self.assertEqual(json.loads(line)["logits"], verdicts[json.loads(line)["id"]]["logits"])
            self.assertGreater(len({json.dumps(v["logits"]) for v in verdicts.values()}), len(verdicts) // 2)
            rows = [json.loads(line) for line in self.files["valid" + side].read_text("utf-8").splitlines()]
            evaluated = run(TRAINER, "evaluate", "--compute", "fp32", "--package", best, "--input", self.files["valid" + side], "--output", out / "evaluation")
            self.assertEqual(evaluated.returncode, 0, evaluated.stderr)
            right = sum(verdicts[r["id"]]["winner"] == r["winner"] for r in rows)
            self.assertAlmostEqual(json.loads((out / "evaluation/evaluation.json").read_text())["accuracy"]["value"], right / len(rows), places=12)
            replies = self.served(self.packed(best, self.dir / f"packed {name}"), rows[:6])
            self.assertEqual(len(replies), 6)
            for key, reply in replies.items():
                self.same(reply, verdicts[key])

    def all_of(self, folders, act):
        """act(a case of its own, folder) for each folder, two at a time; every failure is shown."""
        def one(folder):
            case = type(self)(self._testMethodName)
            case.setUp()
            try:
                return act(case, folder)
            finally:
                case.doCleanups()

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            found = {folder: pool.submit(one, folder) for folder in folders}
        for folder, result in found.items():
            with self.subTest(folder):
                result.result()


class Packages(Trained):
    def test_the_package_of_a_recipe_is_the_template(self):
        made_by_training = {"format", "adapter", "calibration", "golden"}
        self.assertEqual(set(CASES), {folder for folder, package in packages().items() if package["format"] == "preferd-package/1"})
        for folder, package in packages().items():
            if package["format"] != "preferd-package/1":
                continue
            with self.subTest(folder):
                file = tomllib.loads((TEMPLATES / folder / "train.toml").read_text("utf-8"))
                said = recipe(folder, next(iter(file.get("runs", {})), ""))["package"]
                head = {k: v for k, v in package["head"].items() if k != "file"}
                self.assertEqual(said | {"base": None}, {k: v for k, v in package.items() if k not in made_by_training} | {"base": None, "head": head})
                for name in file.get("runs", [""]):
                    flags = ["--print-config", *(["--run", name] if name else [])]
                    printed = run(TRAINER, "train", "--config", TEMPLATES / folder / "train.toml", *flags)
                    self.assertEqual(printed.returncode, 0, printed.stderr)

    def test_the_document_knows_every_template_and_names_tests_that_exist(self):
        text = (ROOT / "docs/kaggle-solutions.md").read_text("utf-8")
        for folder in {name.split("/")[0] for name in packages()}:
            self.assertIn(f"| `{folder}` |", text)
        named = re.findall(r"`(tests/[\w/.]+):([\w.]+)`", text)
        self.assertGreater(len(named), 40)
        for path, name in named:
            code = (ROOT / path).read_text("utf-8")
            words = rf"def {name}\(" if path.endswith(".py") else r"TEST(_[PF])?\(" + name.replace(".", r",\s*") + r"\)"
            self.assertRegex(code, words, f"{path}:{name}")

    def test_exchanged_rows_exchange_back(self):
        for source in (FIXTURES / "training/kaggle.csv.gz", self.files["train"]):
            once, twice = self.dir / "once.jsonl.gz", self.dir / "twice.jsonl"
            for a, b in ((source, once), (once, twice)):
                p = run(sys.executable, RECIPES / "exchange_responses.py", a, b)
                self.assertEqual(p.returncode, 0, p.stderr)
            with (gzip.open if source.suffix == ".gz" else open)(source, "rt", encoding="utf-8", newline="") as f:
                rows = list(csv.DictReader(f)) if ".csv" in source.name else [json.loads(line) for line in f]
            text = lambda row: {k: str(v) for k, v in row.items()}
            back = [json.loads(line) for line in twice.read_text("utf-8").splitlines()]
            other = [json.loads(line) for line in gzip.open(once, "rt", encoding="utf-8")]
            self.assertEqual(list(map(text, back)), list(map(text, rows)))
            for row, o in zip(rows, other):
                self.assertEqual((row["response_a"], row["response_b"]), (o["response_b"], o["response_a"]))
                if "winner_model_a" in row:
                    self.assertEqual((row["winner_model_a"], row["winner_tie"]), (str(o["winner_model_b"]), str(o["winner_tie"])))
                else:
                    self.assertEqual({row["winner"], o["winner"]}, {"model_a", "model_b"})

    def test_every_template_trains_and_serves(self):
        self.all_of(CASES, lambda case, folder: case.check(folder))


def mirrored(p):
    return p | {"model_a": p["model_b"], "model_b": p["model_a"]}


def mixed(p, q, share):
    return {k: (1 - share) * p[k] + share * q[k] for k in p}


class Composites(Trained):
    """Ensembles and cascades: their members trained, put where the manifest says, and combined as it says."""

    def put_together(self, folder, manifest):
        """The composite's folder, and what each member says of the rows in the order it is asked."""
        root, said = self.dir / "composite", {}
        for member in manifest.get("members") or manifest["stages"]:
            name = member["package"]
            side = " exchanged" if "exchanged" in recipe(f"{folder}/{name}", "")["data"]["train"][0] else ""
            out = self.dir / name
            self.done(out, self.keys(f"{folder}/{name}", "", None), config=TEMPLATES / folder / name / "train.toml")
            shutil.copytree(out / "best", root / name)
            swapped = member.get("order") == "swapped"
            verdicts = self.scored(root / name, self.files["valid exchanged" if swapped else "valid"])
            said[name] = {k: mirrored(v["probabilities"]) if swapped else v["probabilities"] for k, v in verdicts.items()}
            self.assertTrue(swapped or not side, "a member that learnt the other order is asked in it")
        (root / "package.json").write_text(json.dumps(manifest))
        return root, said

    def agree(self, root, expected):
        verdicts = self.scored(root, self.files["valid"])
        self.assertEqual(set(verdicts), set(expected))
        for key, p in expected.items():
            for side, value in p.items():
                self.assertAlmostEqual(verdicts[key]["probabilities"][side], value, delta=2e-6, msg=f"{key} {side}")
        rows = [json.loads(line) for line in self.files["valid"].read_text("utf-8").splitlines()][:6]
        for key, reply in self.served(root, rows).items():
            self.assertEqual(reply["probabilities"], verdicts[key]["probabilities"])

    def ensemble(self, folder, manifest):
        root, said = self.put_together(folder, manifest)
        total, expected = 0, None
        for member in manifest["members"]:
            total += member.get("weight", 1)
            new = said[member["package"]]
            expected = {k: mixed(expected[k], p, member.get("weight", 1) / total) if expected else p for k, p in new.items()}
        self.agree(root, expected)

    def cascade(self, folder, manifest):
        root, said = self.put_together(folder, manifest)
        small, large = (said[stage["package"]] for stage in manifest["stages"])
        margins = [abs(p["model_a"] - p["model_b"]) for p in small.values()]
        weight = manifest["stages"][1].get("weight", 1)
        for limit in (manifest["stages"][1]["when_margin_below"], statistics.median(margins)):
            manifest["stages"][1]["when_margin_below"] = limit
            (root / "package.json").write_text(json.dumps(manifest))
            asked = {k: abs(p["model_a"] - p["model_b"]) < limit for k, p in small.items()}
            self.agree(root, {k: mixed(p, large[k], weight) if asked[k] else p for k, p in small.items()})
        self.assertEqual(set(asked.values()), {True, False})

    def test_every_composite_is_what_its_members_say(self):
        kinds = {"preferd-ensemble/1": Composites.ensemble, "preferd-cascade/1": Composites.cascade}
        found = {folder: p for folder, p in packages().items() if p["format"] in kinds}
        self.assertEqual(set(found), {"l1ghtsource", "lizhecheng02", "tascj"})
        self.all_of(found, lambda case, folder: kinds[found[folder]["format"]](case, folder, found[folder]))


if __name__ == "__main__":
    unittest.main(verbosity=1)
