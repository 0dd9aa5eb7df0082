#!/usr/bin/env python3
"""The person with votes of their own: going on from a package, rows of chosen and rejected, stopping at once, what is said on the way and at the end.

    trainer_votes.py BUILD_DIR FIXTURES_DIR CLASS
"""
import csv, gzip, os, pty, re, select, shlex, signal, subprocess, time, unittest

from trainer_support import *

DOCUMENTATION = (ROOT / "docs/training.md").read_text("utf-8")


def without_package(folder, more=""):
    """tiny.toml without [package] and [adapter]."""
    kept, skip = [], False
    for line in TINY.read_text().split("\n"):
        if line.startswith("["):
            skip = line.startswith(("[defaults.package", "[defaults.adapter"))
        if not skip:
            kept.append(line)
    path = folder / "bare.toml"
    path.write_text("\n".join(kept) + "\n" + more)
    return path


def config_of(out):
    """key -> value as it stands in config.toml."""
    found, section = {}, ""
    for line in (out / "config.toml").read_text("utf-8").splitlines():
        if line.startswith("["):
            section = line.strip("[]") + "."
        elif " = " in line:
            key, value = line.split(" = ", 1)
            found[section + key] = value
    return found


class Going(Folder):
    def test_start_alone_takes_package_and_adapter(self):
        self.done(self.dir / "first", SHORT | {"adapter.r": 3, "adapter.alpha": 5, "adapter.targets": ["v_proj", "down_proj"], "adapter.first_layer": 1})
        first = self.dir / "first/best"
        still = SHORT | {"optimizer.lr": 0, "optimizer.head_lr": 0, "optimizer.features_lr": 0, "start": str(first)}
        bare = without_package(self.dir)
        self.done(keys=still, config=bare)
        for name in ("adapter/adapter_model.safetensors", "adapter/adapter_config.json", "head.safetensors", "features.safetensors"):
            self.assertEqual((self.out / "best" / name).read_bytes(), (first / name).read_bytes(), name)
        package, before = (json.loads((f / "package.json").read_text()) for f in (self.out / "best", first))
        self.assertEqual((package.pop("name"), package.pop("revision", "")), ("run", ""))
        for key in ("name", "revision"):
            before.pop(key, None)
        self.assertEqual(package, before)
        keys = config_of(self.out)
        self.assertEqual((keys["adapter.r"], keys["adapter.alpha"], keys["adapter.first_layer"]), ("3", "5.0", "1"))
        self.refused(2, ["adapter.r is 8, start ", "has 3"], self.dir / "other", still | {"adapter.r": 8}, config=bare)
        self.refused(2, "package.head.output is \"siamese\", start ", self.dir / "other", still | {"package.head.output": "siamese"}, config=bare)
        self.refused(2, "package.haed", self.dir / "other", still | {"package.haed": 1}, config=bare)
        self.done(keys=still, config=bare, flags=["--resume"])

    def test_the_recipe_of_the_documentation(self):
        part = DOCUMENTATION.split("## 500 votes")[1].split("\n## ")[0]
        config = self.dir / "mine.toml"
        config.write_text(part.split("```toml\n")[1].split("```")[0])
        commands = [line[4:] for line in part.split("\n") if line.startswith("    build/")]
        self.assertEqual([c.split()[0:2] for c in commands], [["build/trainer", "evaluate"], ["build/trainer", "train"], ["build/trainer", "evaluate"],
                                                              ["build/preferd", "serve"]])
        # The recipe as it stands takes minutes: here with fewer rows, cut short.
        few = self.rows("few.jsonl", [json.loads(line) for line in gzip.open(FIXTURES / "training/arena_valid.jsonl.gz", "rt", encoding="utf-8")][:24])
        short = ["package.input.max_tokens=48", 'data.sources=[{name = "*", ties = "half", limit = 16}]', f'data.valid=["{few}"]', "loop.batch_examples=8",
                 f"output={self.out}"]
        said = []
        for line in commands[:3]:
            args = [a.replace("runs/mine", str(self.out)).replace("mine.toml", str(config)) for a in shlex.split(line)]
            args = [few if a.endswith(".jsonl.gz") else a for a in args]
            args = [BUILD / args[0].removeprefix("build/"), *args[1:], *(short if "train" in args else [])]
            p = subprocess.run(args, cwd=ROOT, env=CLEAN, capture_output=True, text=True, timeout=300)
            self.assertEqual(p.returncode, 0, (line, p.stderr))
            said.append(p.stdout + p.stderr)
        self.assertIn("preferd-default", said[0])
        inspected = subprocess.run([PREFERD, "inspect", "--package", self.out / "best", "--verify"], capture_output=True, text=True, env=CLEAN)
        self.assertEqual(inspected.returncode, 0, inspected.stderr)
        moved = self.dir / "moved"  # a package of its own, with its base
        (self.out / "best").rename(moved)
        self.assertEqual(json.loads((moved / "package.json").read_text())["base"]["path"], "base")
        self.assertEqual(subprocess.run([PREFERD, "inspect", "--package", moved], capture_output=True, env=CLEAN).returncode, 0)


class Preference(Folder):
    def votes(self):
        return [{"id": r["id"], "prompt": r["prompt"], "chosen": r[a], "rejected": r[b]} for r in ROWS if r["winner"] != "tie"
                for a, b in [("response_a", "response_b") if r["winner"] == "model_a" else ("response_b", "response_a")]]

    def test_chosen_and_rejected_are_votes_in_every_command(self):
        votes = self.votes()
        train_rows, valid_rows = self.rows("train.jsonl", votes[:60]), self.dir / "valid.csv"
        with open(valid_rows, "w", newline="", encoding="utf-8") as f:
            writer = csv.DictWriter(f, ["id", "rejected", "prompt", "chosen"])
            writer.writeheader()
            writer.writerows(votes[60:90])
        err = self.done(keys=SHORT | {"data.train": [train_rows], "data.valid": [str(valid_rows)]})
        self.assertIn("60 to train on, 30 to validate", err)
        pack, labels = ["--package", self.out / "best"], self.dir / "labels"
        for args in (["evaluate", *pack, "--input", valid_rows, "--draws", "0", "--output", self.dir / "e"],
                     ["label", *pack, "--input", train_rows, valid_rows, "--output", labels],
                     ["explore", "--input", train_rows, "--valid", valid_rows, "--output", self.dir / "x.html", "--json", self.dir / "x.json"]):
            p = subprocess.run([TRAINER, *args], capture_output=True, text=True, env=CLEAN)
            self.assertEqual(p.returncode, 0, p.stderr)
        self.assertEqual(json.loads((self.dir / "e/evaluation.json").read_text())["rows"], 30)
        outcomes = json.loads((self.dir / "x.json").read_text())["train"]["outcomes"]
        self.assertEqual(outcomes["model_a"] + outcomes["model_b"], 60)
        self.assertGreater(min(outcomes["model_a"], outcomes["model_b"]), 12)
        # A teacher is found again by id, on the same side.
        self.assertEqual(len(labels.read_text().splitlines()), 90)
        self.done(self.dir / "student", SHORT | {"data.train": [train_rows], "data.valid": [str(valid_rows)], "data.teachers": [str(labels)],
                                                 "objective.distillation": 1})

    def test_rows_that_are_neither_say_where_and_why(self):
        votes = self.votes()
        bad = self.rows("bad.jsonl", votes[:20] + [votes[20] | {"winner": "model_a"}, {"prompt": "p", "chosen": "c"}] + votes[22:60])
        err = self.refused(3, "2 bad rows", keys=SHORT | {"data.train": [bad]})
        for line in ("bad.jsonl:21: winner stands beside chosen and rejected", "bad.jsonl:22: rejected is missing"):
            self.assertIn(line, err)
        self.done(keys=SHORT)
        for command in ("evaluate", "label"):
            p = subprocess.run([TRAINER, command, "--package", self.out / "best", "--input", bad, "--output", self.dir / command],
                               capture_output=True, text=True, env=CLEAN)
            self.assertEqual(p.returncode, 3, p.stderr)
            self.assertIn("bad.jsonl:21: winner stands beside", p.stderr)
            self.assertIn("bad.jsonl:22: rejected is missing", p.stderr)
        p = subprocess.run([PREFERD, "score", "--package", self.out / "best", "--input", bad, "--output", "-"], capture_output=True, text=True, env=CLEAN)
        self.assertEqual(p.returncode, 3)
        verdicts = [json.loads(line) for line in p.stdout.splitlines()]
        self.assertIn("rejected is missing", verdicts[21]["error"]["message"])
        self.assertEqual([i for i, v in enumerate(verdicts) if "error" in v], [21])


class Interrupted(Folder):
    # Each part of the run lasts a few seconds.
    def keys(self):
        words = " ".join(r["response_a"] for r in ROWS).split()
        def rows(name, first, count):
            return self.rows(name, [{"id": i, "prompt": f"{i} " + " ".join(words[i:i + 30]), "response_a": " ".join(words[i + 3:i + 160]),
                                     "response_b": " ".join(words[i + 9:i + 120]), "winner": ("model_a", "model_b")[i % 3 == 0]}
                                    for i in range(first, first + count)])
        return {"data.train": [rows("train.jsonl", 0, 800)], "data.valid": [rows("valid.jsonl", 800, 1600)], "loop.epochs": 1, "threads": 1,
                "loop.max_steps": 2, "loop.batch_examples": 400, "watch.evaluate_every": 1, "watch.checkpoint_every": 1, "adapter.dropout": .1}

    def interrupt(self, keys, phase, patience=60):
        """Starts or resumes, sends SIGINT in the phase that a pseudo-terminal shows, returns what it said after that."""
        try:
            main, side = pty.openpty()
        except OSError as e:
            self.skipTest(f"Ctrl-C is sent through a pseudo-terminal, and there is none here (is /dev/pts mounted?): {e}")
        flags = ["--resume"] if (self.out / "config.toml").exists() else []
        p = subprocess.Popen(command(self.out, keys, flags), cwd=ROOT, env=CLEAN, stdout=subprocess.DEVNULL, stderr=side)
        os.close(side)
        self.addCleanup(lambda: (p.kill(), p.wait()))
        said, sent, answered = b"", 0, 0
        limit = time.monotonic() + patience
        while time.monotonic() < limit:
            if not select.select([main], [], [], .1)[0]:
                continue
            try:
                part = os.read(main, 65536)
            except OSError:  # it ended
                break
            said += part
            if not sent and re.search(phase, said):
                before, sent = len(said), time.monotonic()
                p.send_signal(signal.SIGINT)
            if sent and not answered and b"stopping after this step (press again to end at once)" in said[before:]:
                answered = time.monotonic()
        os.close(main)
        p.wait(timeout=60)
        text = said.decode("utf-8", "replace")
        self.assertTrue(sent, (phase, text[-2000:]))
        self.assertTrue(answered, text[before:])
        self.assertEqual(p.returncode, 130, text[-2000:])
        self.assertLess(answered - sent, 10, "an answer that takes that long on a loaded machine is none")
        self.assertIn("[", text[:before])
        return text[before:]

    def test_in_every_part_of_a_run_and_no_byte_is_changed(self):
        keys = self.keys()
        whole = self.dir / "whole"
        err = self.done(whole, keys)
        self.assertRegex(err, r"(?m)^best/ on 1600 validation rows: accuracy 0\.\d+ \(the longer response wins: 0\.\d+\), log-loss 0\.\d+$")
        self.assertIn("interrupted before step 1", self.interrupt(keys, rb"encoding training rows [1-9]"))
        for phase in (rb"step 1/2: [1-9]\d* of 400 pairs", rb"evaluating on the validation rows [1-9]", rb"scoring the validation rows [1-9]"):
            self.assertIn("interrupted: saved at step ", self.interrupt(keys, phase))
        self.assertFalse((self.out / "report.html").exists())
        self.done(keys=keys, flags=["--resume"])
        self.assertEqual((digests(self.out), losses(self.out)), (digests(whole), losses(whole)))

    def test_a_second_signal_ends_at_once(self):
        keys = self.keys()
        p = start(self.out, keys)
        while p.poll() is None and not list(self.out.glob("checkpoints/step-*[0-9]")):
            time.sleep(.02)
        for sign in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT):  # both are there when it goes on
            p.send_signal(sign)
        _, err = p.communicate(timeout=60)
        self.assertEqual(p.returncode, 130, err)
        self.assertIn("stopping after this step", err)
        self.assertNotIn("saved at step", err)


class Ends(Folder):
    def test_the_end_says_how_good_and_what_next(self):
        out = self.dir / "with a blank"
        err = self.done(out, SHORT)
        figures = json.loads((out / "evaluation.json").read_text())
        self.assertIn(f"best/ on {figures['rows']} validation rows: accuracy {figures['accuracy']['value']:.4f} (the longer response wins: "
                      f"{figures['baselines'][0]['accuracy']['value']:.4f}), log-loss {figures['log_loss']['value']:.4f}\n", err)
        self.assertIn(f"report: {out}/report.html\n", err)
        lines = [line.split("next:")[-1].strip() for line in err.split("\n")[-4:-1]]
        for line, name in zip(lines, ("preferd inspect", "trainer evaluate", "preferd serve")):
            self.assertTrue(line.startswith(name), line)
            self.assertIn(str(out / "best"), shlex.split(line))
        inspected = shlex.split(lines[0])
        p = subprocess.run([BUILD / inspected[0], *inspected[1:]], capture_output=True, text=True, env=CLEAN)
        self.assertEqual(p.returncode, 0, p.stderr)

    def test_a_run_without_validation_or_without_its_end_says_so(self):
        err = self.done(keys=SHORT | {"data.valid": []})
        self.assertIn("no validation rows (data.valid or data.valid_share): best/ will hold the last weights", err)
        self.assertNotIn("report:", err)
        err = self.done(self.dir / "unfinished", SHORT | {"watch.finish": False})
        self.assertIn("watch.finish is false: best/ is not calibrated", err)
        self.assertIn("report: ", self.done(self.dir / "unfinished", SHORT, ["--resume"]))

    def test_ties_of_validation_are_counted_as_such(self):
        err = self.done(keys=SHORT | {"data.sources": [{"name": "*", "ties": "half"}]})
        self.assertRegex(err, r"(?m)^90 rows; \d+ ties dropped from validation; 60 to train on, \d+ to validate$")

    def test_resume_names_what_differs(self):
        rows = self.rows("train.jsonl", ROWS[:60])
        keys = SHORT | {"data.train": [rows]}
        self.done(keys=keys)
        before = digests(self.out)
        self.refused(2, ["loop.max_steps is 8, was 4", "optimizer.lr is 0.5, was 0.0002", "config.toml"],
                     keys=keys | {"loop.max_steps": 8, "optimizer.lr": .5}, flags=["--resume"])
        self.refused(2, ["package.head.pooling is \"mean\", was \"last\""], keys=keys | {"package.head.pooling": "mean"}, flags=["--resume"])
        self.rows("train.jsonl", ROWS[:50])
        err = self.refused(2, ["the rows are not those that the run began with: ", "train.jsonl (was 45 to train on", "is 37 to train on"], keys=keys, flags=["--resume"])
        self.assertNotIn("valid.jsonl (", err)
        self.rows("train.jsonl", [r | {"winner": "model_a"} for r in ROWS[:60] if r["winner"] != "tie"] + [r for r in ROWS[:60] if r["winner"] == "tie"])
        self.refused(2, "train.jsonl (as many rows, with different texts or labels)", keys=keys, flags=["--resume"])
        self.assertEqual(digests(self.out), before)
        self.rows("train.jsonl", ROWS[:60])
        self.done(keys=keys | {"watch.keep": 9, "threads": 2}, flags=["--resume"])


if __name__ == "__main__":
    unittest.main(verbosity=1)
