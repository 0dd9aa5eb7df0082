#!/usr/bin/env python3
"""Files that change under those who read them: no death, no verdict of other weights, and how a package is replaced.

    changing_files.py BUILD_DIR FIXTURES_DIR
"""
import os, re, shutil, signal, subprocess, threading, time

import client
from client import Client, Server
from trainer_support import *

PACKAGES = FIXTURES / "packages"
PAIRS = [json.loads(line) for line in (PACKAGES / "rows.jsonl").read_text("utf-8").split("\n") if line]
PAIRS = [{k: row[k] for k in ("prompt", "response_a", "response_b")} for row in PAIRS if isinstance(row["prompt"], str)]


def altered(data):
    """Other bytes of the same length: of a safetensors file the last half of its tensors, of a text all."""
    half = len(data) // 2
    return data[:half] + bytes(b ^ 0x15 for b in data[half:])


def write_over(path, data):
    """As cp does: cuts the file, then writes it."""
    with open(path, "wb") as f:
        f.write(data)


def write_inside(path, data):
    with open(path, "r+b") as f:
        f.write(data)


CHANGES = {
    "cp": lambda path, data: write_over(path, altered(data + data[-4096:])),
    "cut to nothing": lambda path, data: os.truncate(path, 0),
    "cut in half": lambda path, data: os.truncate(path, len(data) // 2),
    "deleted": lambda path, data: path.unlink(),
    "written inside": lambda path, data: write_inside(path, altered(data)),
}


class Load:
    """Clients that ask without end; what each request was answered with."""

    def __init__(self, server, clients=3):
        self.server, self.replies, self.ended = server, [], threading.Event()
        self.threads = [threading.Thread(target=self.ask, args=(i,)) for i in range(clients)]
        for t in self.threads:
            t.start()

    def ask(self, i):
        c = Client(self.server)
        while not self.ended.is_set():
            i += 1
            number = i % len(PAIRS)
            try:
                r = c.predict(PAIRS[number])
                body = r.json()
                self.replies.append((number, r.status, body["error"]["code"] if "error" in body else bits(body)))
                if r.closes():  # what is refused by its head
                    c.close()
                    c = Client(self.server)
            except Exception as e:  # noqa: BLE001 (the test looks at it)
                self.replies.append((number, 0, repr(e)))
                return
        c.close()

    def more(self, count):
        """Waits until so many more requests were answered."""
        end, until = time.monotonic() + 30, len(self.replies) + count
        while len(self.replies) < until and time.monotonic() < end and any(t.is_alive() for t in self.threads):
            time.sleep(.01)
        return len(self.replies) >= until

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        for t in self.threads:
            t.join()


def bits(body):
    return tuple(struct.pack("<d", p) for p in body["probabilities"].values())


def verdicts(server):
    c = Client(server)
    return [bits(c.predict(pair).json()) for pair in PAIRS]


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)

    def copy(self, package, name=None):
        return pathlib.Path(shutil.copytree(PACKAGES / package, self.dir / (name or package)))

    def serve(self, package):
        client.COMMAND = [PREFERD, "serve", "--package", package, "--compute", "fp32", "--threads", "2"]
        return Server()

    def started(self, process):
        """A process that is gone with the test, however it ends."""
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def reload(self, server, result="ok"):
        name = 'preferd_model_reloads_total{result="' + result + '"}'
        before = server.metric(name)
        server.process.send_signal(signal.SIGHUP)
        server.wait_until(lambda: server.metric(name) > before, 30, f"reloaded: {result}")


class Served(Folder):
    def check_files(self, package, paths, held):
        """Each file changes in each way under load. `held`: those that must be missed."""
        original = {path: (package / path).read_bytes() for path in paths}
        with self.serve(package) as server, Load(server) as load:
            good = verdicts(server)
            for path in paths:
                for change, act in CHANGES.items():
                    with self.subTest(file=str(path), change=change):
                        self.assertTrue(load.more(10))
                        act(package / path, original[path])
                        told = self.wait_for_notice(server, seconds=20 if path in held and change != "deleted" else .5)
                        self.assertTrue(load.more(10))
                        if told:
                            self.assertNotEqual(change, "deleted", "what was deleted lives on while it is open")
                            self.assertEqual(told["status"], "package_changed")
                            self.assertIn(f"{package / path} changed while it was in use", told["reason"])
                            r = Client(server).predict(PAIRS[0])
                            self.assertEqual((r.status, r.error()["code"]), (503, "package_changed"))
                            self.assertEqual(r.error()["message"], told["reason"])
                            self.assertEqual(server.metric("preferd_ready"), 0)
                        else:
                            self.assertTrue(path not in held or change == "deleted", "nobody noticed")
                            self.assertEqual(verdicts(server), good)
                        (package / path).write_bytes(original[path])
                        # Files that are held were written to once more, though with what was there.
                        self.reload(server)
                        self.assertEqual(server.status("/readyz"), 200)
                        self.assertEqual(verdicts(server), good)
            load.ended.set()
        for number, status, said in load.replies:
            self.assertIn((status, said), [(200, good[number]), (503, "package_changed")])
        self.assertGreater(sum(status == 200 for _, status, _ in load.replies), 100)

    def wait_for_notice(self, server, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            r = Client(server).get("/readyz")
            if r.status == 503:
                return r.json()
            time.sleep(.02)
        return None

    def test_each_file_in_each_way(self):
        package = self.copy("dense")
        paths = sorted(p.relative_to(package) for p in package.rglob("*") if p.is_file() and p.name != "expected.jsonl")
        self.assertEqual(len(paths), 7)
        self.check_files(package, paths, {pathlib.Path("base/model.safetensors")})

    def test_adapters_and_members(self):
        folder = self.dir / "both"
        folder.mkdir()
        self.copy("lora", "both/lora"), self.copy("dense", "both/dense")
        (folder / "package.json").write_text(json.dumps({"format": "preferd-ensemble/1", "members": [{"package": "lora"}, {"package": "dense"}]}))
        weights = [pathlib.Path(p) for p in ("dense/base/model.safetensors", "lora/adapter/adapter_model.safetensors")]
        self.check_files(folder, weights, {weights[0]})

    def test_a_failed_reload_does_not_answer_with_what_changed(self):
        package = self.copy("dense")
        weights = package / "base/model.safetensors"
        data = weights.read_bytes()
        with self.serve(package) as server:
            good = verdicts(server)
            write_over(weights, altered(data))
            server.wait_until(lambda: server.status("/readyz") == 503, 20, "told")
            self.assertEqual(Client(server).batch({"items": PAIRS[:2]}).error()["code"], "package_changed")
            self.assertEqual(server.metric('preferd_admission_rejected_total{reason="package_changed"}'), 1)
            self.assertEqual(os.pread(server.log.fileno(), 1 << 20, 0).count(b"event=package_changed "), 1)
            self.reload(server, "failed")
            self.assertEqual(Client(server).get("/readyz").json()["status"], "package_changed")
            self.assertEqual(Client(server).predict(PAIRS[0]).error()["code"], "package_changed")
            write_over(weights, data)
            self.reload(server)
            self.assertEqual((server.status("/readyz"), verdicts(server)), (200, good))
            (package / "base/tokenizer.json").write_text("{}")  # read at load alone: the old one serves on
            self.reload(server, "failed")
            self.assertEqual((server.status("/readyz"), verdicts(server)), (200, good))

    def test_replaced_by_a_link_no_request_fails(self):
        old, new, link = self.copy("dense", "v1"), self.copy("dense", "v2"), self.dir / "current"
        head = new / "head.safetensors"
        head.write_bytes(head.read_bytes()[:-8] + bytes(8))
        (new / "package.json").write_text(json.dumps({k: v for k, v in json.loads((new / "package.json").read_text()).items() if k != "golden"}))
        link.symlink_to("v1")
        with self.serve(link) as server:
            before = verdicts(server)
            with Load(server) as load:
                for target in ("v2", "v1", "v2"):
                    self.assertTrue(load.more(50))
                    subprocess.run(["ln", "-sfn", target, link], check=True)
                    time.sleep(.6)  # looked at at least once: what is served is not what the link names
                    self.assertEqual(server.status("/readyz"), 200)
                    self.reload(server)
                    self.assertEqual(server.status("/readyz"), 200)
                shutil.rmtree(old)
                self.assertTrue(load.more(50))
            after = verdicts(server)
            self.assertNotEqual(before, after)
            for number, status, said in load.replies:
                self.assertEqual(status, 200, said)
                self.assertIn(said, (before[number], after[number]))


class Offline(Folder):
    def test_score_writes_no_verdict_of_what_changed(self):
        package = self.copy("dense")
        weights, out = package / "base/model.safetensors", self.dir / "out"
        data = weights.read_bytes()
        lines = [json.dumps({"id": i, **PAIRS[i % len(PAIRS)]}) + "\n" for i in range(192)]
        command = [PREFERD, "score", "--package", package, "--input", "-", "--output", out, "--quiet", "--compute", "fp32"]
        whole = subprocess.run([*command[:-4], "-", *command[-3:]], input="".join(lines), capture_output=True, text=True, env=CLEAN, timeout=60)
        self.assertEqual(whole.returncode, 0, whole.stderr)
        for change in ("cp", "cut to nothing", "cut in half", "written inside"):
            with self.subTest(change=change):
                out.unlink(missing_ok=True)
                p = self.started(subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=CLEAN))
                p.stdin.write("".join(lines[:64])), p.stdin.flush()
                end = time.monotonic() + 60
                while p.poll() is None and (not out.exists() or out.read_text().count("\n") < 64) and time.monotonic() < end:
                    time.sleep(.02)
                CHANGES[change](weights, data)
                _, err = p.communicate("".join(lines[64:]), timeout=60)
                self.assertEqual(p.returncode, 1, err)
                self.assertRegex(err, rf"^error: .*{re.escape(str(weights))} changed while it was in use: .*\n$")
                self.assertEqual(out.read_text(), "".join(whole.stdout.splitlines(keepends=True)[:64]))
                write_over(weights, data)
                again = subprocess.run([*command, "--resume"], input="".join(lines), capture_output=True, text=True, env=CLEAN, timeout=60)
                self.assertEqual((again.returncode, out.read_text()), (0, whole.stdout), again.stderr)

    def test_training_stops(self):
        base = pathlib.Path(shutil.copytree(PACKAGES / "dense/base", self.dir / "base"))
        weights = base / "model.safetensors"
        data = weights.read_bytes()
        for change in ("cp", "cut to nothing", "written inside"):
            with self.subTest(change=change):
                write_over(weights, data)
                out = self.dir / change
                p = self.started(start(out, {"package.base.path": str(base), "loop.epochs": 10000, "watch.checkpoint_every": 10, "threads": 1}))
                end = time.monotonic() + 60
                while p.poll() is None and not list(out.glob("checkpoints/step-0000001*")) and time.monotonic() < end:
                    time.sleep(.02)
                CHANGES[change](weights, data)
                _, err = p.communicate(timeout=120)
                self.assertEqual(p.returncode, 1, err)
                self.assertIn(f"{weights} changed while it was in use", err)

    def test_labels_stop(self):
        package, rows, out = self.copy("dense"), self.dir / "rows.jsonl", self.dir / "labels"
        weights = package / "base/model.safetensors"
        os.mkfifo(rows)
        p = self.started(subprocess.Popen([TRAINER, "label", "--package", package, "--input", rows, "--output", out, "--quiet"],
                                          stderr=subprocess.PIPE, text=True, env=CLEAN))
        with open(rows, "w") as pipe:
            for i in range(1024):
                pipe.write(json.dumps({"id": i, **PAIRS[i % len(PAIRS)]}) + "\n")
            pipe.flush()
            end = time.monotonic() + 60
            while p.poll() is None and (not out.exists() or out.read_text().count("\n") < 1024) and time.monotonic() < end:
                time.sleep(.02)
            os.truncate(weights, 0)
            for i in range(1024, 2048):
                pipe.write(json.dumps({"id": i, **PAIRS[i % len(PAIRS)]}) + "\n")
        _, err = p.communicate(timeout=60)
        self.assertEqual(p.returncode, 1, err)
        self.assertIn(f"{weights} changed while it was in use", err)
        self.assertEqual(out.read_text().count("\n"), 1024)


if __name__ == "__main__":
    unittest.main(warnings="ignore")
