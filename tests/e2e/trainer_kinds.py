#!/usr/bin/env python3
"""Every kind of row, package, configuration and start that the trainer takes, and those that it refuses.

    trainer_kinds.py BUILD_DIR FIXTURES_DIR
"""
import concurrent.futures, json, subprocess, time, tomllib, unittest, urllib.request

from trainer_support import *

class Rows(Folder):
    def test_bad_rows_stop_with_their_lines(self):
        good = ROWS[:40]
        bad = self.rows("bad.jsonl", good[:3] + ["not json", {"id": "x", "prompt": "p", "response_a": "a"}] + good[3:] +
                        [{**good[0], "id": "y", "winner": "model_c", "prompt": "another"}])
        keys = SHORT | {"data.train": [bad]}
        err = self.refused(3, "3 ", keys=keys)
        for line in (4, 5, 43):
            self.assertIn(f"bad.jsonl:{line}", err)
        err = self.done(keys=keys | {"data.bad_rows": "skip"})
        self.assertIn("3 bad rows skipped", err)

    def test_overlap(self):
        shared = self.rows("shared.jsonl", ROWS[:60])
        keys = SHORT | {"data.train": [str(FIXTURES / "training/arena_train.jsonl.gz")], "data.valid": [shared]}
        self.refused(3, "overlap", keys=keys)
        self.assertIn("dropped from training", self.done(keys=keys | {"data.overlap": "drop_from_train"}))

    def test_unreadable_and_empty_files(self):
        self.refused(1, "/nowhere.jsonl", keys=SHORT | {"data.train": ["/nowhere.jsonl"]})
        self.refused(3, "train: no example is left", keys=SHORT | {"data.train": [self.rows("empty.jsonl", [])]})
        self.refused(2, "train: no examples", keys=SHORT | {"data.train": []})
        (self.dir / "broken.jsonl.gz").write_bytes((FIXTURES / "training/arena_train.jsonl.gz").read_bytes()[:5000])
        code, err = train(self.out, SHORT | {"data.train": [str(self.dir / "broken.jsonl.gz")]})
        self.assertIn(code, (2, 3), err)
        self.assertIn("broken.jsonl.gz", err)

    def test_one_row_and_one_class(self):
        one = self.rows("one.jsonl", [{**ROWS[0], "winner": "model_a"}])
        valid = self.rows("valid.jsonl", [{**r, "winner": "model_a"} for r in ROWS[1:6]])
        self.done(keys=SHORT | {"data.train": [one], "data.valid": [valid]})
        self.assertTrue((self.out / "best/package.json").exists())
        self.done(self.dir / "no valid", SHORT | {"data.valid": []})
        self.assertTrue((self.dir / "no valid" / "best/package.json").exists())

    def test_short_and_odd_texts(self):
        odd = ["a", "", "\u0000", "\ud83d\ude00", "\n", " ", "<|endoftext|>", "x" * 5000, "é", "\u202e"]
        rows = [{"id": i, "prompt": f"{odd[i % 10]}{i}", "response_a": odd[i % 10], "response_b": odd[(i + 3) % 10], "winner": "model_b"}
                for i in range(30)]
        self.done(keys=SHORT | {"data.train": [self.rows("odd.jsonl", rows)], "data.duplicates": "keep"})


def base(name):
    return {"path": str(FIXTURES / "packages" / name / "base")}


LAYOUT = {"add_bos": False, "add_eos": False, "max_tokens": 128, "truncation": {"mode": "right"}}
PAIRS = LAYOUT | {"layout": "pair", "template": PAIR}
EACH = LAYOUT | {"layout": "per_response", "template": PAIR[:3] + [{"field": "response"}]}


def package(name, shape, head, quantization=None, features="none"):
    found = {"name": "p", "base": base(name), "input": shape, "head": head, "features": {"set": features}}
    if name.startswith("stored_"):
        found["quantization"] = json.loads((FIXTURES / "packages" / name / "package.json").read_text())["quantization"]
    return found | ({"quantization": {"scheme": quantization}} if quantization else {})


class Kinds(Folder):
    def serves(self, out):
        best = str(out / "best")
        inspected = subprocess.run([PREFERD, "inspect", "--package", best, "--verify"], capture_output=True, text=True, env=CLEAN)
        self.assertEqual(inspected.returncode, 0, inspected.stderr)
        self.assertRegex(inspected.stdout, "golden pairs agree")
        scored = subprocess.run([PREFERD, "score", "--package", best, "--input", VALID[0], "--output", "-"],
                                capture_output=True, text=True, env=EXACT)
        self.assertEqual(scored.returncode, 0, scored.stderr)
        verdicts = {r["id"]: r for r in map(json.loads, scored.stdout.splitlines())}
        predicted = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
        self.assertTrue(predicted)
        for row in predicted:
            self.assertEqual(row["logits"], verdicts[row["id"]]["logits"], row["id"])

    def check(self, keys, name="run"):
        out = self.dir / name
        self.done(out, SHORT | keys)
        self.serves(out)
        return out

    def replaced(self, package, name="config.toml"):
        """A configuration with this package in place of the fixture's, not merged into it."""
        path = self.dir / name
        lines = TINY.read_text().split("\n")
        kept, skip = [], False
        for line in lines:
            if line.startswith("["):
                skip = line.startswith("[defaults.package")
            if not skip:
                kept.append(line)
        kept.insert(next(i for i, line in enumerate(kept) if line.startswith("seed")), "package = " + toml(package))
        path.write_text("\n".join(kept))
        return path

    def each(self, cases):
        def one(i, method, p):
            out = self.dir / f"run{i}"
            self.done(out, SHORT | {"method": method}, config=self.replaced(p, f"{i}.toml"))
            self.serves(out)

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            found = [(method, p, pool.submit(one, i, method, p)) for i, (method, p) in enumerate(cases)]
        for method, p, result in found:
            with self.subTest(method=method, output=p["head"]["output"], base=p["base"]["path"], quantization=p.get("quantization")):
                result.result()

    def test_every_output(self):
        self.each([("lora", package("dense", PAIRS, head(64, 8, 1, output="sigmoid_b"))),
                   ("lora", package("dense", PAIRS, head(64, 2, output="softmax_ab", pooling="mean"))),
                   ("lora", package("dense", PAIRS, head(64, 3, output="softmax_abt", pooling="first", l2_normalize=True))),
                   ("lora", package("token_pair", PAIRS, {"output": "token_pair", "tokens": ["A", "B"]})),
                   ("lora", package("dense", EACH, head(128, 1, output="siamese"))),
                   ("lora", package("dense", EACH, head(128, 8, 3, output="siamese"))),
                   ("lora", package("dense", PAIRS, head(127, 2, output="softmax_ab"), features="arena63"))])

    def test_every_base_and_method(self):
        one = head(64, 1, output="difference")
        self.each([("lora", package("dense", EACH, one, "nf4")), ("lora", package("dense", EACH, one, "fp4")),
                   ("lora", package("dense", EACH, one, "int8")), ("lora", package("stored_nf4", EACH, one)),
                   ("lora", package("stored_int8", EACH, one)), ("head", package("dense", EACH, one, "nf4")),
                   ("head", package("dense", EACH, one)), ("full", package("dense", EACH, one))])
        self.refused(2, "token_pair", keys=SHORT | {"method": "full"},
                     config=self.replaced(package("token_pair", PAIRS, {"output": "token_pair", "tokens": ["A", "B"]})))
        self.refused(2, "objective.center is set and head.output is sigmoid_b", keys=SHORT | {"objective.center": 1},
                     config=self.replaced(package("dense", PAIRS, head(64, 1, output="sigmoid_b"))))

    def test_every_family(self):
        one, narrow = head(64, 1, output="difference"), head(32, 1, output="difference")
        self.each([("lora", package("gemma2_uncapped", EACH, narrow, "nf4")), ("full", package("gemma2_uncapped", EACH, narrow)),
                   ("lora", package("gemma2_token_pair", PAIRS, {"output": "token_pair", "tokens": ["A", "B"]})),
                   ("lora", package("qwen2", EACH, one, "nf4")), ("full", package("qwen2", EACH, one)),
                   ("lora", package("mistral", EACH, one, "fp4"))])

    def test_every_encoder(self):
        sep = {"text": "[SEP]", "special": True}
        each = EACH | {"template": [{"text": "[CLS]", "special": True}, {"field": "prompt"}, sep, {"field": "response"}, sep], "max_tokens": 96}
        first = head(32, 1, output="difference", pooling="first")
        lora = {"adapter.targets": ["query_proj", "key_proj", "value_proj", "dense"], "adapter.last_layer": 0}
        for name, keys, p in (("lora", lora, package("deberta", each, first, "nf4")),
                              ("recomputed", lora | {"loop.checkpointing": True}, package("deberta_conv", each, first)),
                              ("full", {"method": "full"}, package("deberta_conv", each, head(64, 2, output="siamese", pooling="mean"))),
                              ("head", {"method": "head"}, package("deberta", each, first)),
                              ("bilstm", {"method": "full"}, package("bilstm", each, head(40, 3, output="siamese"))),
                              ("bilstm_mean", {"method": "full"}, package("bilstm_mean", each, head(28, 1, output="difference", pooling="mean")) |
                               {"base": base("bilstm_mean") | {"max_layers": 2}})):
            with self.subTest(name):
                self.done(self.dir / name, SHORT | keys, config=self.replaced(p, f"{name}.toml"))
                self.serves(self.dir / name)
        self.refused(2, "bilstm, which has no linear layers", keys=SHORT, config=self.replaced(package("bilstm", each, head(40, 1, output="difference"))))

    def test_packages_that_carry_their_base(self):
        p = self.replaced(package("dense", EACH, head(64, 1, output="difference")))
        same = (FIXTURES / "packages/dense/base/model.safetensors").read_bytes()
        for method, copy in (("full", False), ("full", True), ("lora", True)):
            out = self.dir / f"{method}{copy}"
            self.done(out, SHORT | {"method": method, "copy_base": copy}, config=p)
            self.serves(out)
            self.assertEqual(json.loads((out / "best/package.json").read_text())["base"]["path"], "base")
            self.assertEqual((out / "best/base/model.safetensors").read_bytes() == same, method == "lora")
            moved = self.dir / "moved" / out.name
            moved.parent.mkdir(exist_ok=True)
            (out / "best").rename(moved)
            inspected = subprocess.run([PREFERD, "inspect", "--package", moved, "--verify"], capture_output=True, env=CLEAN)
            self.assertEqual(inspected.returncode, 0, inspected.stderr)

    def test_every_swap(self):
        p = self.replaced(package("dense", PAIRS, head(64, 1, output="sigmoid_b")))
        found = set()
        for swap in ("none", "epoch", "same_batch"):
            out = self.dir / swap
            self.done(out, SHORT | {"loop.swap": swap, "loop.epochs": 2, "loop.max_steps": 24}, config=p)
            self.serves(out)
            found.add(digests(out)["best/head.safetensors"])
        self.assertEqual(len(found), 3)
        self.refused(2, "rank", keys=SHORT | {"loop.swap": "rank"}, config=p)
        processes = [start(self.out, SHORT | {"loop.swap": "rank"}, (), env, p) for env in ranks(2)]
        for process in processes:
            _, err = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 0, err)
        self.serves(self.out)
        self.refused(2, "swap", self.dir / "difference", SHORT | {"loop.swap": "epoch"})

    def test_gradient_checkpointing_changes_no_byte(self):
        keys = SHORT | {"adapter.dropout": .2, "package.name": "p"}
        for name, value in (("kept", False), ("recomputed", True)):
            self.done(self.dir / name, keys | {"loop.checkpointing": value})
        self.assertEqual(digests(self.dir / "kept"), digests(self.dir / "recomputed"))

    def test_threads_change_no_byte(self):
        for threads in (1, 2, 3):
            self.done(self.dir / str(threads), SHORT | {"threads": threads, "package.name": "p", "adapter.dropout": .1})
        self.assertEqual(digests(self.dir / "1"), digests(self.dir / "2"))
        self.assertEqual(digests(self.dir / "1"), digests(self.dir / "3"))

    def test_accumulation_gives_the_same_losses(self):
        for name, tokens in (("small", 100), ("large", 100000)):
            self.done(self.dir / name, PLAIN | {"loop.batch_tokens": tokens, "loop.epochs": 1, "loop.batch_examples": 24})
        for x, y in zip(losses(self.dir / "small"), losses(self.dir / "large")):
            self.assertEqual(x[0], y[0])
            if x[1] is not None:
                self.assertAlmostEqual(x[1], y[1], delta=1e-5)

    def test_served_over_http(self):
        self.check({})
        port = free_port()
        server = subprocess.Popen([PREFERD, "serve", "--package", self.out / "best", "--port", str(port)], stderr=subprocess.DEVNULL, env=EXACT)
        self.addCleanup(lambda: (server.kill(), server.wait()))
        body = json.dumps({k: ROWS[0][k] for k in ("prompt", "response_a", "response_b")}).encode()
        for attempt in range(200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5)
                break
            except OSError:
                time.sleep(.05)
        request = urllib.request.Request(f"http://127.0.0.1:{port}/predict", body, {"Content-Type": "application/json"})
        reply = json.loads(urllib.request.urlopen(request, timeout=10).read())
        self.assertAlmostEqual(sum(reply["probabilities"].values()), 1, places=5)


class Configurations(Folder):
    def test_bad_values(self):
        self.refused(2, "is not a key", keys={"optimizer.rate": 1})
        self.refused(2, "expected lora|full|head", keys={"method": "qlora"})
        self.refused(2, "package.base.path", keys={"package.base": {}})
        self.refused(2, "unknown key package.input.max_token", keys={"package.input": {"layout": "per_response", "max_token": 5}})
        self.refused(2, "data.trian is not a key", keys={"data.trian": ["x"], "data.train": 3, "seed": "x"})
        self.refused(2, "/nowhere", keys=SHORT | {"package.base.path": "/nowhere"})
        self.refused(2, "package.golden is made by training", keys={"package.golden": "x"})
        self.refused(2, "package.head.file is made by training", keys={"package.head.file": "x"})
        self.refused(2, "package.head.output", keys={"package.head.output": 3})
        self.refused(2, "'query' names no linear module", keys=SHORT | {"adapter.targets": ["query"]})
        self.refused(2, "layers 0 to 2", keys=SHORT | {"adapter.last_layer": 7})
        self.refused(2, "expected a dense base", keys=SHORT | {"method": "full"})
        self.refused(2, "bf16", keys=SHORT | {"precision": "bf16"})
        self.refused(2, "cuda", keys=SHORT | {"device": "cuda"})
        self.refused(2, "not key=value", keys={}, flags=["oops"])
        self.refused(2, "optimizer.eps", keys={"optimizer.eps": 0})
        self.refused(2, "objective.distillation is set and data.teachers is empty", keys=SHORT | {"objective.distillation": 1})
        self.refused(2, "objective has no weight", keys=SHORT | {"objective.cross_entropy": 0})
        self.refused(2, "absent.toml", config=self.dir / "absent.toml")
        self.assertFalse((self.out / "best").exists())

    def test_a_corrected_configuration_may_use_the_folder_of_a_refused_one(self):
        self.refused(2, "'query' names no linear module", keys=SHORT | {"adapter.targets": ["query"]})
        self.done(keys=SHORT)

    def test_large_and_narrow_adapters(self):
        self.done(self.dir / "wide", SHORT | {"adapter.r": 1024})
        self.done(self.dir / "narrow", SHORT | {"adapter.r": 1, "adapter.first_layer": 2, "adapter.targets": ["down_proj"], "adapter.dtype": "bf16",
                                                "adapter.rslora": True})
        inspected = subprocess.run([PREFERD, "inspect", "--package", self.dir / "narrow/best", "--verify"], capture_output=True, env=CLEAN)
        self.assertEqual(inspected.returncode, 0)

    def test_print_config(self):
        p = subprocess.run(command(self.out, {"seed": 9}, ["--print-config"]), cwd=ROOT, env=CLEAN, capture_output=True, text=True)
        self.assertEqual((p.returncode, "seed = 9  # argument KEY=VALUE\n" in p.stdout, self.out.exists()), (0, True, False))
        (self.dir / "again.toml").write_text(p.stdout)
        again = subprocess.run([TRAINER, "train", "--config", self.dir / "again.toml", "--print-config"], env=CLEAN, capture_output=True, text=True)
        self.assertEqual(tomllib.loads(again.stdout), tomllib.loads(p.stdout))


class Starts(Folder):
    def test_from_a_package_and_from_its_adapter(self):
        self.done(self.dir / "first", SHORT)
        first = self.dir / "first/best"
        still = SHORT | {"optimizer.lr": 0, "optimizer.head_lr": 0, "optimizer.features_lr": 0}
        self.done(keys=still | {"start": str(first)})
        for name in ("adapter/adapter_model.safetensors", "head.safetensors", "features.safetensors"):
            self.assertEqual((self.out / "best" / name).read_bytes(), (first / name).read_bytes(), name)
        out = self.dir / "adapter"
        self.done(out, still | {"start": str(first / "adapter")})
        name = "adapter/adapter_model.safetensors"
        self.assertEqual((out / "best" / name).read_bytes(), (first / name).read_bytes())

    def test_the_adapter_names_its_base_and_no_path(self):
        def named(out): return json.loads((out / "best/adapter/adapter_config.json").read_text())["base_model_name_or_path"]
        first = self.dir / "first"
        self.done(first, SHORT)
        self.assertEqual(named(first), "base")
        for said, expected in (("org/model", "org/model"), ("/home/me/model", "base")):
            config = first / "best/adapter/adapter_config.json"
            config.write_text(json.dumps(json.loads(config.read_text()) | {"base_model_name_or_path": said}))
            out = self.dir / expected.replace("/", "-")
            self.done(out, SHORT | {"start": str(config.parent)})
            self.assertEqual(named(out), expected)

    def test_starts_that_cannot_be(self):
        lora = FIXTURES / "packages/lora"
        self.refused(2, ["start", "r is"], keys=SHORT | {"start": str(lora / "adapter"), "adapter.r": 3})
        self.refused(2, "start", keys=SHORT | {"start": "/nowhere"})
        self.refused(2, "start", keys=SHORT | {"start": str(self.dir)})
        self.refused(2, "start", keys=SHORT | {"start": str(lora / "adapter"), "method": "head"})
        self.refused(2, "start", keys=SHORT | {"start": str(lora), "method": "head"})
        self.refused(2, "rslora", keys=SHORT | {"start": str(FIXTURES / "packages/lora_bare_rslora/adapter"), "adapter.r": 6, "adapter.alpha": 12,
                                              "adapter.rslora": False})
        saved = FIXTURES / "packages/lora_saved_norm/adapter"
        r = json.loads((saved / "adapter_config.json").read_text())
        self.refused(2, "start", keys=SHORT | {"start": str(saved), "adapter.r": r["r"], "adapter.alpha": r["lora_alpha"]})


if __name__ == "__main__":
    unittest.main(verbosity=1)
