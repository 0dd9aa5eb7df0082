#!/usr/bin/env python3
"""Nothing that a training run did is lost: killed, interrupted, spread over processes, on a full disk.

    trainer_lost.py BUILD_DIR FIXTURES_DIR
"""
import ctypes, os, random, resource, shutil, signal, subprocess, sys, tempfile, time, unittest, pathlib

from trainer_support import *

# Steps for a second or two, with everything that a resume must bring back.
LONG = {"loop.batch_examples": 4, "data.train": TRAIN, "data.valid": VALID, "adapter.dropout": .1, "watch.evaluate_every": 4, "watch.checkpoint_every": 3, "adapter.r": 2,
        "package.name": "p", "threads": 1, "optimizer.average": .8}


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

    def test_best_holds_the_average(self):
        for valid in (LONG["data.valid"], []):
            out = self.dir / f"{len(valid)} files"
            self.done(out, LONG | {"data.valid": valid, "watch.checkpoint_every": 1, "watch.keep": 99})
            steps = [step for step, _, _, validation in losses(out) if validation and validation["best"]] or [losses(out)[-1][0]]
            state = tensors(out / f"checkpoints/step-{steps[-1]:08}/state.safetensors")
            for name, values in tensors(out / "best/head.safetensors").items():
                self.assertEqual(values, state[f"average/head/{name}"], name)
                self.assertNotEqual(values, state[f"weight/head/{name}"], name)

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


def obey_permissions():
    """Root without the right to write where permissions forbid it; another user might not reach a private checkout."""
    PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1
    if ctypes.CDLL(None, use_errno=True).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


class Disk(Folder):
    def test_a_full_disk_is_an_error_and_leaves_the_last_checkpoint(self):
        if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=900k", "tmpfs", self.dir], capture_output=True).returncode:
            self.skipTest("a full disk needs a small file system, and mounting one needs root; the limit on a file's size is tested below")
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
        bound = dict(preexec_fn=obey_permissions) if os.geteuid() == 0 else {}
        self.refused(2, [str(closed), "Permission denied"], closed, SHORT, **bound)
        self.refused(2, [str(closed / "x"), "Permission denied"], closed / "x", SHORT, **bound)

    def test_a_run_is_not_overwritten(self):
        self.done(keys=SHORT)
        before = digests(self.out)
        self.refused(2, "there is a run already; continue it with --resume", keys=SHORT)
        self.refused(2, "there is no run to resume", self.dir / "other", SHORT, ["--resume"])
        self.refused(2, "optimizer.lr is 0.5, was 0.0002", keys=SHORT | {"optimizer.lr": .5}, flags=["--resume"])
        rows = self.rows("other.jsonl", ROWS[:50])
        self.refused(2, "data.train is ", keys=SHORT | {"data.train": [rows]}, flags=["--resume"])
        self.assertEqual(digests(self.out), before)

    def test_two_trainers_in_one_folder(self):
        p = start(self.out, LONG)
        while p.poll() is None and not (self.out / "checkpoints").exists():
            time.sleep(.01)
        p.send_signal(signal.SIGSTOP)  # it holds the folder however fast it is
        self.refused(2, "another process is working there", keys=LONG, flags=["--resume"])
        p.send_signal(signal.SIGCONT)
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


if __name__ == "__main__":
    unittest.main(verbosity=1)
