#!/usr/bin/env python3
"""The trainer's commands as users run them: what evaluate says is what plain Python computes from `preferd score`; reports stand
alone; teachers teach; label goes on after a kill; explore counts; the documentation lists the keys that there are.

    trainer_evaluate.py BUILD_DIR SOURCE_DIR
"""
import gzip, html.parser, json, math, os, pathlib, shutil, signal, subprocess, sys, tempfile, time, unittest

BUILD, SOURCE = pathlib.Path(sys.argv.pop(1)).resolve(), pathlib.Path(sys.argv.pop(1)).resolve()
FIXTURES = SOURCE / "tests/fixtures"
TRAIN, VALID = FIXTURES / "training/arena_train.jsonl.gz", FIXTURES / "training/arena_valid.jsonl.gz"
PACKAGE = f"""
output = "unset"
seed = 1
[package]
name = "tiny"
base = {{path = "{FIXTURES}/packages/dense/base"}}
features = {{set = "arena63_v2", scaling = "standard"}}
[package.input]
layout = "per_response"
template = [{{text = "<prompt>: "}}, {{field = "prompt"}}, {{text = "\\n\\n<response>: "}}, {{field = "response"}}]
add_bos = false
add_eos = false
max_tokens = 96
truncation = {{mode = "proportional", head = 0.5, marker = "..."}}
[package.head]
pooling = "last"
layer_norm = true
feature_projection = {{out = 16, activation = "gelu"}}
layers = [{{type = "linear", in = 80, out = 32}}, {{type = "relu"}}, {{type = "linear", in = 32, out = 1}}]
output = "difference"
[adapter]
r = 4
alpha = 8
[data]
train = ["{TRAIN}"]
valid = ["{VALID}"]
[optimizer]
lr = 2e-3
[loop]
epochs = 2
batch_examples = 16
"""
NO_FEATURES = 'package.features={set="none"}'
SIAMESE = 'package.head={layer_norm=true, layers=[{type="linear", in=128, out=1}], output="siamese"}'
PAIR = ['package.head={layers=[{type="linear", in=64, out=3}], output="softmax_abt"}',
        'package.input={layout="pair", max_tokens=160, truncation={mode="proportional"}, template=[{field="prompt"}, {text="\\n"},'
        ' {field="response_a"}, {text="\\n"}, {field="response_b"}]}', NO_FEATURES]


def run(binary, *args, code=0):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFERD_")}
    p = subprocess.run([BUILD / binary, *map(str, args)], capture_output=True, text=True, timeout=120, env=environment)
    assert p.returncode == code, f"{binary} {args} exited with {p.returncode}:\n{p.stdout}{p.stderr}"
    return p.stdout, p.stderr


def lines(path):
    with (gzip.open if str(path).endswith(".gz") else open)(path, "rt", encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def write(path, rows):
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), "utf-8")
    return path


# What the measures are, said once more: rows are (target, p), both [model_a, model_b, tie].
def measures(rows, classes):
    accuracy, log_loss, brier, bins, scores = [], [], [], {}, ([], [])
    for target, p in rows:
        asked = target if classes == 3 else [target[0] + target[2] / 2, target[1] + target[2] / 2, 0]
        log_loss.append(-sum(t * math.log(max(q, 2 ** -52)) for t, q in zip(asked, p) if t))
        brier.append(sum((q - t) ** 2 for t, q in zip(asked, p)) / (2 if classes == 2 else 1))
        best = max(target)
        if target.count(best) > 1 or target.index(best) >= classes:
            continue
        right = p.index(max(p)) == target.index(best)
        accuracy.append(right)
        bins.setdefault(max(0, math.ceil(max(p) * 15) - 1), []).append((right, max(p)))
        if target.index(best) < 2:
            scores[target.index(best)].append(p[1] / (p[0] + p[1]))
    ece = sum(abs(sum(r for r, _ in b) - sum(c for _, c in b)) for b in bins.values()) / len(accuracy)
    auc = sum((b > a) + (b == a) / 2 for a in scores[0] for b in scores[1]) / (len(scores[0]) * len(scores[1]))
    mean = lambda xs: sum(xs) / len(xs)
    return {"accuracy": mean(accuracy), "log_loss": mean(log_loss), "brier": mean(brier), "ece": ece, "auc": auc}


def target_of(row):
    if "p_b" in row:
        return [1 - row["p_b"], row["p_b"], 0]
    return [float(row["winner"] == w) for w in ("model_a", "model_b", "tie")]


class Page(html.parser.HTMLParser):
    EMPTY = {"meta", "br", "line", "rect", "circle", "path", "polyline"}

    def __init__(self, text):
        super().__init__()
        self.open, self.faults, self.text = [], [], ""
        self.feed(text)
        self.close()
        if self.open:
            self.faults.append(f"<{self.open[-1]}> stays open")

    def handle_starttag(self, tag, attributes):
        if tag in {"script", "link", "img", "iframe", "object", "embed", "form", "base", "a"}:
            self.faults.append(f"<{tag}>")
        for name, value in attributes:
            if name in ("src", "href") or name.startswith("on") or "http" in (value or "") and name != "title":
                self.faults.append(f"<{tag} {name}={value}>")
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.EMPTY:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag in self.EMPTY:
            return
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes another")

    def handle_data(self, data):
        self.text += data
        if self.open and self.open[-1] == "style" and ("url(" in data or "@import" in data):
            self.faults.append("the style sheet fetches")


class Trainer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.dir = pathlib.Path(cls.folder.name)
        cls.config = cls.dir / "tiny.toml"
        cls.config.write_text(PACKAGE, "utf-8")
        cls.first = cls.train("run")

    @classmethod
    def train(cls, name, *overrides, code=0):
        run("trainer", "train", "--quiet", "--config", cls.config, f"output={cls.dir / name}", *overrides, code=code)
        return cls.dir / name

    def losses(self, folder):
        return [m["loss"] for m in lines(folder / "metrics.jsonl") if "loss" in m]

    def check_page(self, path, *words):
        page = Page(path.read_text("utf-8"))
        self.assertEqual(page.faults, [])
        for word in words:
            self.assertIn(word, page.text)

    def check_evaluation(self, package, rows, ties):
        name = f"{package.parent.name}_{ties}"
        source = write(self.dir / f"{name}.jsonl", rows)
        run("preferd", "score", "--package", package, "--input", source, "--output", self.dir / f"{name}.scores")
        scores = lines(self.dir / f"{name}.scores")
        classes = len(scores[0]["probabilities"])
        pairs = []
        for row, score in zip(rows, scores):
            target, p = target_of(row), score["probabilities"]
            if ties == "half":
                target = [target[0] + target[2] / 2, target[1] + target[2] / 2, 0]
            if ties == "drop" and target[2] == 1:
                continue
            pairs.append((target, [p["model_a"], p["model_b"], p.get("tie", 0)]))
        out = self.dir / f"{name}.evaluation"
        table, _ = run("trainer", "evaluate", "--package", package, "--input", source, "--output", out, "--ties", ties, "--draws", 50)
        found = json.loads((out / "evaluation.json").read_text())
        self.assertEqual((found["rows"], found["classes"]), (len(pairs), classes))
        self.assertEqual(found["data"]["ties_dropped"], len(rows) - len(pairs))
        for measure, value in measures(pairs, classes).items():
            self.assertAlmostEqual(found[measure]["value"], value, delta=1e-6, msg=(name, measure))
            self.assertLessEqual(found[measure]["low"], found[measure]["high"])
        self.assertIn(f"{100 * found['accuracy']['value']:.1f} %", table)
        self.assertEqual(len(lines(out / "predictions.jsonl")), len(pairs))
        self.check_page(out / "evaluation.html", "Against baselines")
        return found, scores

    def rows(self):
        soft = [{k: v for k, v in r.items() if k != "winner"} | {"p_b": (i % 11) / 10, "source": "soft"}
                for i, r in enumerate(lines(TRAIN)[:33])]
        return lines(VALID) + soft + lines(VALID)[:4]

    def test_evaluation_is_what_the_scores_say(self):
        for ties in ("drop", "half"):
            self.check_evaluation(self.first / "best", self.rows(), ties)
        printed, _ = run("trainer", "evaluate", "--package", self.first / "best", "--input", VALID)
        self.assertIn("9 ties dropped", printed)

    def test_evaluate_takes_the_devices_of_score(self):
        ask = ["trainer", "evaluate", "--package", self.first / "best", "--input", VALID, "--draws", 0]
        self.assertEqual(run(*ask, "--device", "cpu", "--compute", "fp32")[0], run(*ask, "--compute", "fp32")[0])
        self.assertIn("--residency", run("trainer", "evaluate", "--help")[0])
        self.assertIn("expected cpu, cuda, cuda:N", run(*ask, "--device", "gpu", code=2)[1])
        self.assertIn("residency is fp8, expected auto on device cpu", run(*ask, "--residency", "fp8", code=1)[1])
        if not pathlib.Path("/dev/nvidia0").exists():
            self.assertIn("device is cuda", run(*ask, "--device", "cuda", code=1)[1])

    def test_three_classes_and_both_orders(self):
        package = self.train("ternary", "loop.epochs=1", *PAIR) / "best"
        found, scores = self.check_evaluation(package, self.rows(), "keep")
        swapped = write(self.dir / "swapped.jsonl", [r | {"response_a": r["response_b"], "response_b": r["response_a"]} for r in self.rows()])
        run("preferd", "score", "--package", package, "--input", swapped, "--output", self.dir / "swapped.scores")
        mirror = {"model_a": "model_b", "model_b": "model_a", "tie": "tie"}
        flips = [a["winner"] != mirror[b["winner"]] for a, b in zip(scores, lines(self.dir / "swapped.scores"))]
        self.assertAlmostEqual(found["flip_rate"]["value"], sum(flips) / len(flips), delta=1e-9)
        self.assertEqual(found["flips_known"], len(flips))

    def test_a_cascade_is_measured_in_the_orders_that_it_serves(self):
        folder = self.dir / "cascade/both"
        for member in ("dense", "two_adapters"):
            shutil.copytree(FIXTURES / "packages" / member, folder / member)
        (folder / "package.json").write_text(json.dumps({"format": "preferd-cascade/1", "stages": [
            {"package": "dense"}, {"package": "two_adapters", "adapter": "one", "order": "swapped", "when_margin_below": .5, "weight": .6}]}))
        found, scores = self.check_evaluation(folder, self.rows(), "half")
        self.assertEqual({len(s["path"]) for s in scores}, {1, 2})
        swapped = write(self.dir / "cascade.jsonl", [r | {"response_a": r["response_b"], "response_b": r["response_a"]} for r in self.rows()])
        run("preferd", "score", "--package", folder, "--input", swapped, "--output", self.dir / "cascade.scores")
        flips = [a["winner"] == b["winner"] for a, b in zip(scores, lines(self.dir / "cascade.scores"))]
        self.assertAlmostEqual(found["flip_rate"]["value"], sum(flips) / len(flips), delta=1e-9)

    def test_bad_rows_are_listed_and_the_rest_is_measured(self):
        good, out = lines(VALID), self.dir / "bad"
        source = write(self.dir / "bad.jsonl", good[:20] + [good[20] | {"winner": "model_c"}] + good[21:])
        _, err = run("trainer", "evaluate", "--package", self.first / "best", "--input", source, "--output", out, code=3)
        self.assertIn("bad.jsonl:21: winner", err)
        self.assertEqual(json.loads((out / "evaluation.json").read_text())["data"]["bad"], 1)
        best = ["--package", self.first / "best"]
        for code, args in ((2, []), (2, ["--input", VALID, "--ties", "often"]), (1, ["--input", VALID, "--package", self.dir]),
                           (1, [*best, "--input", self.dir / "absent.jsonl"]), (3, [*best, "--input", write(self.dir / "none.jsonl", [])])):
            self.assertIn("error: ", run("trainer", "evaluate", *args, code=code)[1])

    def test_run_report_stands_alone(self):
        self.check_page(self.first / "report.html", "Training", "Most confident errors", "Configuration", "temperature", 'name = "tiny"'[:4])
        figures = json.loads((self.first / "evaluation.json").read_text())
        run("trainer", "evaluate", "--compute", "fp32", "--package", self.first / "best", "--input", VALID, "--output", self.dir / "again")
        again = json.loads((self.dir / "again/evaluation.json").read_text())
        for measure in ("accuracy", "log_loss", "brier", "ece", "auc"):
            self.assertAlmostEqual(figures[measure]["value"], again[measure]["value"], delta=1e-12)

    def test_teachers_teach(self):
        labels, teacher = self.dir / "labels.jsonl", self.train("teacher", "loop.epochs=4") / "best"
        run("trainer", "label", "--package", teacher, "--input", TRAIN, "--output", labels, "--quiet")
        self.assertEqual([r["id"] for r in lines(labels)], [r["id"] for r in lines(TRAIN)])
        losses = self.losses(self.train("student", f'data.teachers=["{labels}"]', "objective.cross_entropy=0", "objective.distillation=1",
                                        "loop.epochs=5", "seed=2"))
        self.assertLess(sum(losses[-8:]), 0.7 * sum(losses[:8]))

    def test_embeddings_teach(self):
        for name, more, swaps in (("difference", [], ["none"]), ("siamese", [SIAMESE, NO_FEATURES], ["same_batch"])):
            labels = self.dir / f"{name}.embeddings"
            first = self.train(f"{name}_first", "loop.max_steps=1", *more)
            run("trainer", "label", "--package", first / "start", "--input", TRAIN, "--output", labels, "--embeddings", "--quiet")
            self.assertEqual(len(lines(labels)[0]["embedding"]), 128)
            cosine = [f'data.teachers=["{labels}"]', "objective.cross_entropy=0", "objective.cosine=1"]
            for swap in swaps:          # LoRA's B is zero at the start: the student says what the teacher says
                found = self.losses(self.train(f"{name}_{swap}", f"loop.swap={swap}", "loop.max_steps=4", "optimizer.lr=0", *cosine, *more))
                self.assertLess(max(found), 1e-5, (name, swap))
        taught = self.train("taught", "optimizer.lr=1e-2", "loop.epochs=4")
        labels = self.dir / "taught.embeddings"
        run("trainer", "label", "--package", taught / "best", "--input", TRAIN, "--output", labels, "--embeddings", "--quiet")
        cosine[0] = f'data.teachers=["{labels}"]'
        losses = self.losses(self.train("follows", "optimizer.lr=1e-2", "loop.epochs=4", *cosine))
        self.assertGreater(losses[0], 1e-4)
        self.assertLess(sum(losses[-8:]), 0.7 * sum(losses[:8]))
        wide = write(self.dir / "wide.jsonl", [r | {"embedding": [1.0] * 96} for r in lines(labels)])
        for word, *overrides in (("96 numbers per pair, the student's states 2 x 64", f'data.teachers=["{wide}"]', "objective.cosine=1"),
                                 ("data.teachers is empty", "objective.cosine=1"),
                                 ("loop.swap is set beside objective.cosine", *cosine, *PAIR, "loop.swap=same_batch")):
            p = subprocess.run([BUILD / "trainer", "train", "--config", self.config, f"output={self.dir / word[:9]}", *overrides],
                               capture_output=True, text=True, timeout=60)
            self.assertEqual(p.returncode, 2)
            self.assertIn(word, p.stderr)

    def test_label_goes_on_after_a_kill(self):
        words = lines(TRAIN)
        rows = [{"id": i, **{k: words[(i * 7 + j) % 160][k][:60] for j, k in enumerate(("prompt", "response_a", "response_b"))}}
                for i in range(1200)]
        source, whole, torn = write(self.dir / "many.jsonl", rows), self.dir / "whole", self.dir / "torn"
        command = ["trainer", "label", "--package", self.first / "best", "--input", source, "--batch-tokens", 2048, "--quiet", "--output"]
        run(*command, whole)
        p = subprocess.Popen([BUILD / command[0], *map(str, command[1:]), torn])
        while p.poll() is None and not (torn.exists() and torn.stat().st_size):
            time.sleep(.005)
        p.send_signal(signal.SIGKILL)
        p.wait()
        self.assertLess(torn.stat().st_size, whole.stat().st_size, "killed too late to show anything")
        with open(torn, "ab") as f:
            f.write(b'{"id": 17, "prob')
        run(*command, torn)
        self.assertEqual(torn.read_bytes(), whole.read_bytes())
        _, err = run(*command[:5], TRAIN, *command[6:], torn, code=1)
        self.assertIn("holds lines of other rows", err)

    def test_explore_counts(self):
        page, facts = self.dir / "explore.html", self.dir / "explore.json"
        run("trainer", "explore", "--input", TRAIN, "--valid", VALID, "--output", page, "--json", facts, "--tokenizer-of", self.first / "best")
        self.check_page(page, "Who won", "Validation", "prompt and both responses, tokens")
        found = json.loads(facts.read_text())
        for side, rows in (("train", lines(TRAIN)), ("valid", lines(VALID))):
            winners = {w: sum(r["winner"] == w for r in rows) for w in ("model_a", "model_b", "tie")}
            self.assertEqual(found[side]["outcomes"], winners | {"unlabelled": 0})
            decided = [r for r in rows if r["winner"] != "tie" and len(r["response_a"]) != len(r["response_b"])]
            longer = sum((len(r["response_a"]) > len(r["response_b"])) == (r["winner"] == "model_a") for r in decided)
            self.assertEqual((found[side]["different_length"], found[side]["longer_won"]), (len(decided), longer))
            self.assertEqual(found[side]["prompt_chars"]["max"], max(len(r["prompt"]) for r in rows))
        self.assertEqual(found["shared_prompts"], 0)

    def test_documentation_lists_the_keys_that_there_are(self):
        text = (SOURCE / "docs/training.md").read_text("utf-8")
        reference = text.split("<!-- trainer train --help -->\n```toml\n")[1].split("```")[0]
        help_text = run("trainer", "train", "--help")[0]
        self.assertEqual(reference.strip(), help_text.split("Keys of the configuration, with their defaults:\n")[1].strip())


if __name__ == "__main__":
    unittest.main(verbosity=1)
