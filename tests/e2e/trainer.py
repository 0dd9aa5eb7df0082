#!/usr/bin/env python3
"""The real trainer on a tiny model: what it promises when it is killed, interrupted, spread over processes, or given bad input.

    trainer.py BUILD_DIR FIXTURES_DIR
"""
import concurrent.futures, functools, gzip, hashlib, json, os, pathlib, random, resource, shutil, signal, socket, struct, subprocess, sys
import tempfile, time, unittest, urllib.request

BUILD, FIXTURES = pathlib.Path(sys.argv.pop(1)).resolve(), pathlib.Path(sys.argv.pop(1)).resolve()
ROOT, TINY = FIXTURES.parent.parent, FIXTURES / "training" / "tiny.toml"
TRAINER, PREFERD = BUILD / "trainer", BUILD / "preferd"
ROWS = [json.loads(line) for line in gzip.open(FIXTURES / "training" / "arena_train.jsonl.gz", "rt", encoding="utf-8")]
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("PREFERD_", "SLURM_")) and k not in
         ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")}
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
# Steps for a second or two, with everything that a resume must bring back.
LONG = {"loop.batch_examples": 4, "data.train": TRAIN, "data.valid": VALID, "adapter.dropout": .1, "watch.evaluate_every": 4, "watch.checkpoint_every": 3, "adapter.r": 2,
        "package.name": "p", "threads": 1}


class Killed(Folder):
    def whole(self, keys):
        self.done(self.dir / "whole", keys)
        return digests(self.dir / "whole"), losses(self.dir / "whole")

    @classmethod
    def setUpClass(cls):
        cls.long = tempfile.TemporaryDirectory()
        code, err = train(pathlib.Path(cls.long.name) / "run", LONG)
        assert code == 0, err
        cls.expected = digests(pathlib.Path(cls.long.name) / "run"), losses(pathlib.Path(cls.long.name) / "run")

    @classmethod
    def tearDownClass(cls):
        cls.long.cleanup()

    def test_sigkill_at_random_moments_changes_no_byte(self):
        draw, kills = random.Random(20), 0
        for every in (1, 3):
            keys = LONG | {"watch.checkpoint_every": every}
            began, whole, out = time.monotonic(), self.dir / f"whole{every}", self.dir / f"killed{every}"
            self.done(whole, keys)
            length = time.monotonic() - began
            for patience in (.15, .2, .3, .4, .5, .6, .7, 99):
                p = start(out, keys, ["--resume"] if (out / "config.toml").exists() else [])
                try:
                    p.wait(timeout=draw.uniform(.7, 1) * patience * length)
                except subprocess.TimeoutExpired:
                    p.kill()
                    kills += 1
                err = p.communicate()[1]
                self.assertIn(p.returncode, (0, -signal.SIGKILL), err)
            self.assertEqual(p.returncode, 0, err)
            self.assertEqual(digests(out), digests(whole))
            self.assertEqual(losses(out), losses(whole))
        self.assertGreaterEqual(kills, 6)

    def kill_when(self, keys, condition):
        """Kills the run at the first look at which condition(folder) holds; false when it ended before."""
        p = start(self.out, keys)
        seen = False
        while p.poll() is None and not seen:
            seen = condition(self.out)
        p.kill()
        p.communicate()
        return seen

    def test_sigkill_while_a_checkpoint_or_a_package_is_written(self):
        keys = LONG | {"watch.checkpoint_every": 1}
        digest, loss = self.whole(keys)
        for pattern in ("checkpoints/step-0000000[3-9].part", "best.part", "start.part"):
            for attempt in range(12):
                shutil.rmtree(self.out, ignore_errors=True)
                if self.kill_when(keys, lambda out: any(out.glob(pattern))) and any(self.out.glob(pattern)):
                    break
            self.assertTrue(any(self.out.glob(pattern)), pattern)
            self.done(keys=keys, flags=["--resume"])
            self.assertEqual(digests(self.out), digest, pattern)
            self.assertEqual(losses(self.out), loss, pattern)

    def test_sigkill_between_evaluation_and_checkpoint(self):
        self.assertTrue(self.kill_when(LONG, lambda out: (out / "metrics.jsonl").exists() and "validation" in (out / "metrics.jsonl").read_text()))
        self.done(keys=LONG, flags=["--resume"])
        self.assertEqual((digests(self.out), losses(self.out)), self.expected)

    def test_interrupt_saves_and_exits_130(self):
        for sign in (signal.SIGINT, signal.SIGTERM):
            shutil.rmtree(self.out, ignore_errors=True)
            p = start(self.out, LONG)
            while p.poll() is None and (not (self.out / "metrics.jsonl").exists() or (self.out / "metrics.jsonl").stat().st_size == 0):
                pass
            p.send_signal(sign)
            _, err = p.communicate(timeout=60)
            self.assertEqual(p.returncode, 130, err)
            saved = int(err.split("saved at step ")[1].split(";")[0])
            self.assertTrue((self.out / "checkpoints" / f"step-{saved:08}").exists())
            self.done(keys=LONG, flags=["--resume"])
            self.assertEqual((digests(self.out), losses(self.out)), self.expected)

    def test_resume_of_a_finished_run_repeats_its_end_only(self):
        digest, loss = self.whole(LONG)
        err = self.done(self.dir / "whole", LONG, ["--resume"])
        self.assertIn("finished", err)
        self.assertEqual((digests(self.dir / "whole"), losses(self.dir / "whole")), (digest, loss))

    def test_resume_of_a_run_that_stopped_early_stays_stopped(self):
        keys = LONG | {"watch.patience": 1, "watch.evaluate_every": 1, "optimizer.lr": .1, "optimizer.head_lr": .1}
        digest, loss = self.whole(keys)
        self.assertLess(loss[-1][0], 28)
        err = self.done(self.dir / "whole", keys, ["--resume"])
        self.assertIn("stopped early", err)
        self.assertEqual((digests(self.dir / "whole"), losses(self.dir / "whole")), (digest, loss))


# No dropout: its masks depend on how examples are dealt.
PLAIN = {"package.head": head(80, 32, 1, pooling="last", layer_norm=True, output="difference",
                              feature_projection={"out": 16, "activation": "gelu"}),
         "package.name": "p", "threads": 1, "loop.batch_examples": 6, "watch.evaluate_every": 5, "data.train": TRAIN, "data.valid": VALID}


class Distributed(Folder):
    def together(self, out, size, flags=()):
        processes = [start(out, PLAIN, flags, env) for env in ranks(size)]
        self.addCleanup(lambda: [(p.kill(), p.communicate()) for p in processes])
        return processes

    def finish(self, processes):
        for p in processes:
            _, err = p.communicate(timeout=90)
            self.assertEqual(p.returncode, 0, err)

    def near(self, a, b):
        one, other = losses(a), losses(b)
        self.assertEqual([r[0] for r in one], [r[0] for r in other])
        for x, y in zip(one, other):
            if x[1] is not None:
                self.assertAlmostEqual(x[1], y[1], delta=1e-5)
            else:
                self.assertAlmostEqual(x[3]["log_loss"], y[3]["log_loss"], delta=1e-5)
        last = sorted((a / "checkpoints").iterdir())[-1].name
        first, second = (tensors(run / "checkpoints" / last / "state.safetensors") for run in (a, b))
        beginning = tensors(a / "start/adapter/adapter_model.safetensors")
        for name, values in first.items():
            if not name.startswith("weight/adapter/"):
                continue
            moved = sum((v - s) ** 2 for v, s in zip(values, beginning[name[len("weight/adapter/"):]]))
            apart = sum((v - w) ** 2 for v, w in zip(values, second[name]))
            self.assertLess(apart, (1e-3 ** 2) * moved, name)
            self.assertLess(apart, (1e-4 ** 2) * sum(v * v for v in values), name)

    def test_two_and_three_processes_are_one(self):
        one = self.dir / "one"
        self.done(one, PLAIN)
        for size in (2, 3):
            out = self.dir / f"of{size}"
            self.finish(self.together(out, size))
            self.near(one, out)
            self.assertTrue((out / "best/package.json").exists())

    def test_a_dead_process_ends_the_others_and_the_run_resumes(self):
        self.finish(self.together(self.dir / "whole", 2))
        for victim in (1, 0):
            out = self.dir / f"dead{victim}"
            processes = self.together(out, 2)
            while processes[victim].poll() is None and not (out / "metrics.jsonl").exists() or (out / "metrics.jsonl").stat().st_size < 900:
                time.sleep(.005)
            processes[victim].kill()
            killed = time.monotonic()
            _, err = processes[1 - victim].communicate(timeout=40)
            self.assertLess(time.monotonic() - killed, 30)
            self.assertEqual(processes[1 - victim].returncode, 1, err)
            self.assertRegex(err, "error: process . *.*gone|no sign of life|left")
            self.finish(self.together(out, 2, ["--resume"]))
            self.assertEqual(digests(out), digests(self.dir / "whole"))
            self.assertEqual(losses(out), losses(self.dir / "whole"))

    def test_an_error_of_one_ends_all(self):
        broken = PLAIN | {"data.train": ["/nowhere/rows.jsonl"]}
        processes = [start(self.out, broken, (), env) for env in ranks(2)]
        errors = [p.communicate(timeout=40)[1] for p in processes]
        self.assertNotIn(0, [p.returncode for p in processes])
        self.assertIn("/nowhere/rows.jsonl", errors[0])

    def test_bad_places(self):
        self.refused(2, "variable RANK is '2', expected a number from 0 to 1", env={"RANK": "2", "WORLD_SIZE": "2"})
        self.refused(2, "MASTER_PORT", env={"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "h"})


SHORT = {"loop.max_steps": 4, "loop.epochs": 1, "threads": 1, "data.train": TRAIN, "data.valid": VALID}


class Disk(Folder):
    def test_a_full_disk_is_an_error_and_leaves_the_last_checkpoint(self):
        if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=900k", "tmpfs", self.dir], capture_output=True).returncode:
            self.skipTest("cannot mount a file system")
        self.addCleanup(lambda: subprocess.run(["umount", self.dir]))
        self.refused_for_space()

    def refused_for_space(self):
        code, err = train(self.out, SHORT | {"adapter.r": 64})
        self.assertIn(code, (1, 2), err)
        self.assertRegex(err.split("\n")[-2], "^error: .*(No space left|are free)")

    def test_a_file_that_cannot_grow(self):
        keys = SHORT | {"adapter.r": 64}
        self.done(self.dir / "whole", keys)
        limit = max(f.stat().st_size for f in (self.dir / "whole" / "checkpoints").rglob("*")) - 1
        code, err = train(self.out, keys, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        self.assertEqual(code, 1, err)
        self.assertRegex(err, "error: .*state.safetensors: cannot write: File too large")

    def test_an_unwritable_folder(self):
        closed = self.dir / "closed"
        closed.mkdir()
        os.chmod(self.dir, 0o755)
        os.chmod(closed, 0o555)
        user = dict(user=65534, group=65534) if os.geteuid() == 0 else {}
        self.refused(2, [str(closed), "Permission denied"], closed, SHORT, **user)
        self.refused(2, [str(closed / "x"), "Permission denied"], closed / "x", SHORT, **user)

    def test_a_run_is_not_overwritten(self):
        self.done(keys=SHORT)
        before = digests(self.out)
        self.refused(2, "a run lies there; --resume goes on with it", keys=SHORT)
        self.refused(2, "no run lies there to resume", self.dir / "other", SHORT, ["--resume"])
        self.refused(2, "another configuration or other rows", keys=SHORT | {"optimizer.lr": .5}, flags=["--resume"])
        rows = self.rows("other.jsonl", ROWS[:50])
        self.refused(2, "another configuration or other rows", keys=SHORT | {"data.train": [rows]}, flags=["--resume"])
        self.assertEqual(digests(self.out), before)

    def test_two_trainers_in_one_folder(self):
        p = start(self.out, LONG)
        while p.poll() is None and not (self.out / "checkpoints").exists():
            pass
        self.refused(2, "another process is at work there", keys=LONG, flags=["--resume"])
        _, err = p.communicate(timeout=60)
        self.assertEqual(p.returncode, 0, err)

    def test_a_damaged_checkpoint_is_named(self):
        self.done(keys=SHORT)
        newest = sorted((self.out / "checkpoints").iterdir())[-1]
        (newest / "state.safetensors").write_bytes(b"\0" * 99)
        self.refused(2, str(newest), keys=SHORT, flags=["--resume"])

    def test_a_loss_that_is_not_finite(self):
        keys = {"optimizer.lr": 10, "optimizer.head_lr": 10, "optimizer.weight_decay": 10, "optimizer.schedule": "constant", "loop.epochs": 300,
                "optimizer.clip": 0, "watch.checkpoint_every": 1, "data.valid": []}
        self.refused(1, "is not finite", keys=keys)
        kept = sorted((self.out / "checkpoints").iterdir())
        self.assertTrue(kept)
        for values in tensors(kept[-1] / "state.safetensors").values():
            self.assertTrue(all(v == v for v in values))


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
                                capture_output=True, text=True, env=CLEAN)
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
        server = subprocess.Popen([PREFERD, "serve", "--package", self.out / "best", "--port", str(port)], stderr=subprocess.DEVNULL, env=CLEAN)
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
        self.refused(2, "is no key", keys={"optimizer.rate": 1})
        self.refused(2, "expected lora|full|head", keys={"method": "qlora"})
        self.refused(2, "package.base.path", keys={"package.base": {}})
        self.refused(2, "/nowhere", keys=SHORT | {"package.base.path": "/nowhere"})
        self.refused(2, "package.golden is made by training", keys={"package.golden": "x"})
        self.refused(2, "package.head.file is made by training", keys={"package.head.file": "x"})
        self.refused(2, "package.head.output", keys={"package.head.output": 3})
        self.refused(2, "'query' names no linear module", keys=SHORT | {"adapter.targets": ["query"]})
        self.refused(2, "layers 0 to 2", keys=SHORT | {"adapter.last_layer": 7})
        self.refused(2, "expected a dense base", keys=SHORT | {"method": "full"})
        self.refused(2, "bf16", keys=SHORT | {"precision": "bf16"})
        self.refused(2, "cuda", keys=SHORT | {"device": "cuda"})
        self.refused(2, "no key=value", keys={}, flags=["oops"])
        self.refused(2, "optimizer.eps", keys={"optimizer.eps": 0})
        self.refused(2, "objective.distillation is set and data.teachers is empty", keys=SHORT | {"objective.distillation": 1})
        self.refused(2, "objective has no weight", keys=SHORT | {"objective.cross_entropy": 0})
        self.refused(1, "out of memory", keys=SHORT | {"package.head.feature_projection.out": 10 ** 9})
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
        self.assertEqual((p.returncode, "seed = 9" in p.stdout, self.out.exists()), (0, True, False))
        (self.dir / "again.toml").write_text(p.stdout)
        again = subprocess.run([TRAINER, "train", "--config", self.dir / "again.toml", "--print-config"], env=CLEAN, capture_output=True, text=True)
        self.assertEqual(again.stdout, p.stdout)


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

    def test_starts_that_cannot_be(self):
        lora = FIXTURES / "packages/lora"
        self.refused(2, ["start", "r is"], keys=SHORT | {"start": str(lora / "adapter"), "adapter.r": 3})
        self.refused(2, "start", keys=SHORT | {"start": "/nowhere"})
        self.refused(2, "start", keys=SHORT | {"start": str(self.dir)})
        self.refused(2, "start", keys=SHORT | {"start": str(lora / "adapter"), "method": "head"})
        self.refused(2, "start", keys=SHORT | {"start": str(lora), "method": "head"})
        self.refused(2, "rslora", keys=SHORT | {"start": str(FIXTURES / "packages/lora_bare_rslora/adapter"), "adapter.r": 6})
        saved = FIXTURES / "packages/lora_saved_norm/adapter"
        r = json.loads((saved / "adapter_config.json").read_text())
        self.refused(2, "start", keys=SHORT | {"start": str(saved), "adapter.r": r["r"], "adapter.alpha": r["lora_alpha"]})


if __name__ == "__main__":
    unittest.main(verbosity=1)
