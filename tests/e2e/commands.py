#!/usr/bin/env python3
"""The real binary as users run it: score, compare, inspect, serve, and that they agree.

    commands.py BUILD_DIR FIXTURES_DIR
"""
import csv, http.client, http.server, io, json, os, pathlib, random, re, shutil, signal, socket, subprocess, sys, tempfile, threading, time, unittest

BUILD, FIXTURES = pathlib.Path(sys.argv.pop(1)).resolve(), pathlib.Path(sys.argv.pop(1)).resolve()
PREFERD, PACKAGES = BUILD / "preferd", FIXTURES / "packages"
ROWS = PACKAGES / "rows.jsonl"


def run(*args, stdin=None, env=None):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFERD_")} | (env or {})
    p = subprocess.run([PREFERD, *map(str, args)], input=stdin, capture_output=True, text=True, timeout=120, env=environment)
    return p.returncode, p.stdout, p.stderr


def rows():
    return [json.loads(line) for line in ROWS.read_text("utf-8").split("\n") if line]


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)

    def write(self, name, text):
        (self.dir / name).write_text(text, "utf-8")
        return self.dir / name


class Score(Folder):
    package = PACKAGES / "lora"

    def score(self, *more, package=None, source=ROWS):
        out = self.dir / "out"
        code, _, err = run("score", "--package", package or self.package, "--input", source, "--output", out, *more)
        return code, out.read_text("utf-8") if out.exists() else "", err

    def test_threads_and_order_change_no_byte(self):
        code, one, _ = self.score("--threads", 1)
        self.assertEqual(code, 0)
        self.assertEqual(self.score("--threads", 2)[1], one)
        shuffled = rows()
        random.Random(5).shuffle(shuffled)
        source = self.write("shuffled.jsonl", "".join(json.dumps(r) + "\n" for r in shuffled))
        self.assertEqual(sorted(self.score(source=source)[1].splitlines()), sorted(one.splitlines()))

    def test_rows_that_share_prompts_keep_their_order_and_bytes(self):
        """The engine brings equal prompts together; a row alone shares nothing."""
        prompts = ["A question that several rows ask, longer than what is worth sharing: " + str(k) for k in range(3)]
        mixed = [{**r, "id": f"{i}", "prompt": prompts[i % 3]} for i, r in enumerate(rows() * 4)]
        write = lambda name, some: self.write(name, "".join(json.dumps(r) + "\n" for r in some))
        lines = self.score(source=write("mixed.jsonl", mixed))[1].splitlines()
        self.assertEqual([json.loads(line)["id"] for line in lines], [r["id"] for r in mixed])
        for i in (0, 1, 17, len(mixed) - 1):
            self.assertEqual(self.score(source=write("alone.jsonl", [mixed[i]]))[1].splitlines(), [lines[i]])

    def test_says_what_the_reference_says(self):
        _, out, _ = self.score()
        expected = [json.loads(line) for line in (self.package / "expected.jsonl").read_text().splitlines()]
        got = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([g["id"] for g in got], [e["id"] for e in expected])
        for g, e in zip(got, expected):
            self.assertEqual((g["winner"], g["tokens"], g["truncated"]), (e["winner"], e["tokens"], e["truncated"]))
            for x, y in zip(g["logits"], e["logits"]):
                self.assertAlmostEqual(x, y, delta=2e-4)

    def test_bad_rows_are_reported_and_the_rest_is_written(self):
        source = self.write("bad.jsonl", '{"id":"x","prompt":"p","response_a":"a"}\nnot json\n\n{"prompt":"p","response_a":"a","response_b":"b"}\n'
                            '{"id":7,"prompt":"p","response_a":"a","response_b":"b","adapter":"nobody"}\n')
        code, out, err = self.score(source=source)
        lines = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(code, 3)
        self.assertIn("3 of 4 rows failed", err)
        self.assertEqual([(r["id"], r.get("error", {}).get("code")) for r in lines],
                         [("x", "invalid"), (2, "invalid"), (4, None), (7, "not_found")])

    def test_csv_and_submission(self):
        code, out, _ = self.score("--format", "csv")
        table = list(csv.DictReader(io.StringIO(out)))
        self.assertEqual((code, list(table[0])), (0, ["id", "winner", "p_model_a", "p_model_b", "error"]))
        self.assertEqual([r["id"] for r in table], [r["id"] for r in rows()])

    def test_a_submission_has_the_form_of_its_competition(self):
        texts = "id,prompt,response_a,response_b"
        lmsys = self.write("lmsys.csv", texts + ',winner_model_a,winner_model_b,winner_tie\n1,p,a,b,1,0,0\n2,p,a\n')
        turns = self.write("turns.csv", texts + '\n1,"[""p""]","[""a""]","[""b""]"\n')
        wsdm = self.write("wsdm.csv", texts + ",scored\n1,p,a,b,True\n2,p\n")
        plain = self.write("plain.csv", texts + "\n1,p,a,b\n")
        two, three = self.package, PACKAGES / "biases"
        lmsys_form, wsdm_form = "id,winner_model_a,winner_model_b,winner_tie", "id,winner"
        for source, package, flags, form, note in (
                (lmsys, two, [], lmsys_form, "winner_tie is 0 in every row"), (lmsys, three, [], lmsys_form, None), (turns, two, [], lmsys_form, "winner_tie"),
                (wsdm, two, [], wsdm_form, None), (wsdm, three, [], wsdm_form, "the likelier response is the winner"),
                (plain, two, [], wsdm_form, "do not tell their competition"), (plain, three, [], lmsys_form, "do not tell their competition"),
                (plain, two, ["--competition", "lmsys"], lmsys_form, "winner_tie"), (lmsys, two, ["--competition", "wsdm"], wsdm_form, None)):
            code, out, err = self.score("--format", "submission", *flags, package=package, source=source)
            table = list(csv.DictReader(io.StringIO(out)))
            self.assertEqual(out.split("\n")[0], form, (source, package, flags))
            if note: self.assertIn(note, err)
            else: self.assertNotIn("note:", err)
            for row in table:
                if form == wsdm_form: self.assertIn(row["winner"], ("model_a", "model_b"))
                else: self.assertAlmostEqual(sum(float(v) for k, v in row.items() if k != "id"), 1, places=5)
            self.assertEqual(code, 3 if "2" in [row["id"] for row in table] else 0)
        self.assertEqual(self.score("--competition", "lmsys")[0], 2)

    def test_a_resumed_submission_keeps_its_form(self):
        source = self.write("rows.csv", "prompt,response_a,response_b,scored\n" + "p,a,b,True\n" * 3)
        whole = self.score("--format", "submission", source=source)[1]
        self.write("out", whole[:-8])
        self.assertEqual(self.score("--format", "submission", "--resume", source=source)[:2], (0, whole))
        self.write("out", "")
        self.assertEqual(self.score("--format", "submission", "--resume", source=source)[:2], (0, whole))

    def test_an_output_may_be_no_plain_file(self):
        for path in ("/dev/null", "/dev/stdout"):
            code, out, err = run("score", "--package", self.package, "--input", ROWS, "--output", path)
            self.assertEqual((code, out), (0, self.score()[1] if path == "/dev/stdout" else ""), err)

    def test_an_output_is_never_the_input(self):
        source = self.write("rows.jsonl", ROWS.read_text("utf-8"))
        code, _, err = run("score", "--package", self.package, "--input", source, "--output", self.dir / "." / "rows.jsonl")
        self.assertEqual((code, source.read_text("utf-8")), (2, ROWS.read_text("utf-8")))
        self.assertIn("is the input, expected another file", err)

    def test_a_resumed_run_goes_on_in_its_own_file_alone(self):
        whole = self.score("--format", "csv")[1]
        torn = whole[:len(whole) // 2]
        for flags, words in (([], "expected JSON to go on in this form"), (["--format", "submission"], "expected 'id,winner'"),
                             (["--format", "csv", PACKAGES / "biases"], "expected 'id,winner,p_model_a,p_model_b,p_tie,error'")):
            out = self.write("out", torn)
            package = flags.pop() if flags[2:] else None
            code, _, err = self.score("--resume", *flags, package=package)
            self.assertEqual((code, out.read_text("utf-8")), (1, torn), err)
            self.assertIn(words, err)
        others = self.write("others.jsonl", "".join(json.dumps(r | {"id": "x" + r["id"]}) + "\n" for r in rows()))
        code, out, err = self.score("--resume", "--format", "csv", source=others)
        self.assertEqual(code, 1)
        self.assertIn("its last line is not of row", err)
        self.write("out", torn)
        self.assertEqual(self.score("--resume", "--format", "csv")[:2], (0, whole))

    def test_rows_that_failed_before_count_when_a_run_goes_on(self):
        source = self.write("bad.jsonl", ROWS.read_text("utf-8") + '{"id":"bad"}\n')
        for flags in ([], ["--resume"]):
            code, _, err = self.score(*flags, source=source)
            self.assertEqual(code, 3, err)
        self.assertIn("0 of 0 rows failed, and 1 of those that were written before", err)

    def test_a_limit_scores_the_first_rows(self):
        whole = self.score()[1].splitlines()
        code, out, _ = self.score("--limit", 3)
        self.assertEqual((code, out.splitlines()), (0, whole[:3]))
        self.assertEqual(self.score("--limit", 3, "--shard", "1/2")[1].splitlines(), whole[1:2])
        self.score("--limit", 3)
        self.assertEqual(self.score("--limit", 5, "--resume")[1].splitlines(), whole[:5])
        self.assertEqual(self.score("--limit", 10**6)[1].splitlines(), whole)

    def test_the_first_failures_are_told_by_line(self):
        source = self.write("bad.csv", "id,prompt,response_a,response_b\n1,p,a,b\n" + "2,p\n" * 7)
        code, _, err = self.score("--format", "csv", source=source)
        self.assertEqual(code, 3)
        self.assertEqual(err.count(f"{source}:"), 5)
        self.assertIn(f"{source}:3: line 3 has 2 fields, the header has 4\n", err)
        self.assertIn("... and 2 more\nerror: 7 of 8 rows failed", err)

    def test_a_file_of_another_coding_is_named(self):
        source = self.dir / "rows.csv"
        source.write_bytes("id,prompt,response_a,response_b\n1,p,a,b\n".encode("utf-16"))
        code, _, err = self.score(source=source)
        self.assertEqual(code, 3)
        advice = re.search(r"rows.csv: is UTF-16, expected UTF-8; convert it with: (iconv .*)", err)[1]
        self.assertEqual(subprocess.run(advice, shell=True).returncode, 0)
        self.assertEqual(self.score(source=self.dir / "rows.utf8.csv")[0], 0)

    def test_csv_in_gives_the_same_verdicts(self):
        plain = [r for r in rows() if "swap" not in r]
        text = io.StringIO()
        writer = csv.DictWriter(text, ["response_b", "id", "prompt", "response_a"])
        writer.writeheader()
        writer.writerows(plain)
        _, from_csv, _ = self.score(source=self.write("rows.csv", text.getvalue()))
        _, from_json, _ = self.score(source=self.write("rows.jsonl", "".join(json.dumps(r) + "\n" for r in plain)))
        self.assertEqual(from_csv, from_json)

    def test_resume_goes_on_after_whole_lines(self):
        _, whole, _ = self.score()
        torn = self.write("out", whole[: len(whole) // 2])
        self.assertNotEqual(torn.read_text()[-1], "\n")
        code, out, _ = self.score("--resume")
        self.assertEqual((code, out), (0, whole))

    def test_shards_are_the_whole(self):
        _, whole, _ = self.score()
        parts = [self.score("--shard", f"{i}/3")[1].splitlines() for i in range(3)]
        self.assertEqual([parts[i % 3][i // 3] for i in range(len(whole.splitlines()))], whole.splitlines())

    def test_standard_input_and_output(self):
        code, out, _ = run("score", "--package", self.package, "--input", "-", "--output", "-", stdin=ROWS.read_text("utf-8"))
        self.assertEqual((code, out), (0, self.score()[1]))

    def test_a_chunk_is_answered_while_more_may_come(self):
        command = [PREFERD, "score", "--package", self.package, "--input", "-", "--output", "-", "--quiet"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as p:
            late = threading.Timer(60, p.kill)
            late.start()
            p.stdin.write(json.dumps(rows()[0]) + "\n" + 63 * (json.dumps(rows()[1]) + "\n"))
            p.stdin.flush()
            answers = [p.stdout.readline() for _ in range(64)]
            late.cancel()
            self.assertTrue(all(answers), "nothing was written before the input ended")
            self.assertEqual(answers[:2], self.score()[1].splitlines(keepends=True)[:2])
            p.stdin.close()
            self.assertEqual((p.stdout.read(), p.wait()), ("", 0))

    def test_swap_is_mirrored_exactly(self):
        exchanged = [{**r, "response_a": r["response_b"], "response_b": r["response_a"]} for r in rows()]
        source = self.write("exchanged.jsonl", "".join(json.dumps(r) + "\n" for r in exchanged))
        package = PACKAGES / "biases"
        given = [json.loads(line) for line in self.score("--swap", package=package)[1].splitlines()]
        other = [json.loads(line) for line in self.score("--swap", package=package, source=source)[1].splitlines()]
        for g, o in zip(given, other):
            p, m = g["probabilities"], o["probabilities"]
            self.assertEqual((p["model_a"], p["model_b"], p["tie"], g["order_gap"]), (m["model_b"], m["model_a"], m["tie"], o["order_gap"]))

    def test_what_cannot_be_printed_is_a_failure(self):
        for flags in (["--tokens", ROWS], []):
            with open("/dev/full", "w") as full:
                p = subprocess.run([PREFERD, "inspect", "--package", self.package, *flags], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
            self.assertEqual((p.returncode, p.stderr), (1, "error: standard output: cannot write: No space left on device\n"))

    def test_usage_errors_exit_2_and_refused_packages_1(self):
        for args in (["score"], ["score", "--input", "x", "--nonsense"], ["frobnicate"], [], ["score", "--input", "x", "--threads", "many"]):
            code, _, err = run(*args)
            self.assertEqual(code, 2, args)
            self.assertTrue(err.strip(), args)
        for command in ("serve", "health", "score", "compare", "inspect", "pack", "merge", "quantize"):
            self.assertIn(command, run("frobnicate")[2])
        self.assertEqual(run("score", "--input", "x", env={"PREFERD_NONSENSE": "1"})[0], 2)
        self.assertEqual(run("inspect", "--package", self.package, env={"PREFERD_API_KEY": "of the server"})[0], 0)
        self.assertEqual(run("score", "--package", self.dir, "--input", ROWS)[0], 1)
        self.assertEqual(run("score", "--package", self.package, "--input", self.dir / "absent.jsonl")[0], 1)


class Others(Folder):
    def test_inspect_tokens_are_the_references(self):
        code, out, _ = run("inspect", "--package", PACKAGES / "calibrated_ratio", "--tokens", ROWS)
        lines = [json.loads(line) for line in out.splitlines()]
        self.assertEqual((code, len(lines)), (0, len(rows())))
        for line in lines:
            self.assertEqual(line["tokens"]["total"], sum(map(len, line["sequences"])))
            self.assertLessEqual(max(map(len, line["sequences"])), 60)

    def test_inspect_accounts_for_tensors(self):
        for package in sorted(p.name for p in PACKAGES.iterdir() if p.is_dir()):
            code, out, err = run("inspect", "--package", PACKAGES / package)
            self.assertEqual(code, 0, (package, err))
            self.assertIn("accounted for", out)
        memory = lambda name: float(re.search(r"memory +([0-9.]+) MB weights \(([0-9.]+) MB made", run("inspect", "--package", PACKAGES / name)[1])[2])
        self.assertEqual((memory("dense"), memory("stored_nf4")), (0, 0))
        self.assertGreater(memory("nf4"), 0)
        adapter = "adapter/adapter_model.safetensors"
        for file, other, words in (("head.safetensors", PACKAGES / "lora" / adapter, ["head.safetensors", "missing"]),
                                   ("base/model.safetensors", PACKAGES / "lora/head.safetensors", ["missing tensors", "layers.0"]),
                                   (adapter, PACKAGES / "lora_layers" / adapter, ["adapter_model.safetensors", "missing"])):
            copy = self.dir / file.replace("/", "_")
            shutil.copytree(PACKAGES / "lora", copy)
            (copy / file).write_bytes(other.read_bytes())
            for flags in ([], ["--verify"]):
                code, _, err = run("inspect", "--package", copy, *flags)
                self.assertEqual(code, 1, err)
                for word in words if not flags else []:
                    self.assertIn(word, err)

    def test_inspect_verify_says_which_pair_is_off(self):
        copy = self.dir / "copy"
        shutil.copytree(PACKAGES / "dense", copy)
        lines = (copy / "golden.jsonl").read_text().splitlines()
        lines[2] = json.dumps(json.loads(lines[2]) | {"logits": [9.5]})
        (copy / "golden.jsonl").write_text("\n".join(lines))
        code, out, err = run("inspect", "--package", copy, "--verify")
        self.assertEqual((code, out), (1, ""))
        self.assertIn("recorded [9.5]", err)
        self.assertEqual(run("inspect", "--package", copy)[0], 0)

    def test_inspect_verifies_the_embedded_default(self):
        code, out, err = run("inspect", "--verify")
        self.assertEqual(code, 0, err)
        self.assertRegex(out, r"golden pairs agree")

    def test_int8_is_taken_where_it_is_asked_for_and_agrees(self):
        code, out, err = run("inspect", "--verify", "--compute", "int8", "--package", PACKAGES / "dense_bf16_mean")
        self.assertEqual(code, 0, err)
        self.assertRegex(out, r"golden pairs agree in int8, .*tolerance 0\.05")
        code, _, err = run("inspect", "--verify", "--compute", "int8", "--package", PACKAGES / "nf4")
        self.assertEqual(code, 1)
        self.assertRegex(err, r"int8 did not agree with the golden pairs: .*golden\.jsonl: row .*tolerance 0\.05")

    def test_devices_that_are_none_are_usage_and_those_that_are_not_there_a_failure(self):
        for command in (["score", "--input", "/dev/null"], ["inspect", "--verify"], ["compare", "--prompt", "p", "--response-a", "a", "--response-b", "b"], ["serve", "--port", "0"]):
            code, _, err = run(*command, "--device", "gpu")
            self.assertEqual((code, err.strip()), (2, "error: device is 'gpu', expected cpu, cuda, cuda:N, several of these as cuda:0,cuda:1, or cuda:all"))
        code, _, err = run("inspect", "--verify", "--residency", "fp8", "--package", PACKAGES / "nf4")
        self.assertEqual((code, err.strip()), (1, "error: residency is fp8, expected auto on device cpu"))
        code, _, err = run("inspect", "--verify", "--device", "cuda:63", "--package", PACKAGES / "nf4")
        self.assertEqual(code, 1)
        self.assertRegex(err, "error: device (is )?cuda")

    def documented(self, program, prefix, commands):
        """A value for each variable that --help of these commands names, which all of them take."""
        words = {}  # of a variable that several commands read, those that all of them know
        for command in commands:
            text = subprocess.run([BUILD / program, command, "--help"], capture_output=True, text=True, check=True).stdout
            self.assertIn("variables:\n  PREFERD_INSTRUCTION_SET\n", text)
            self.assertIn("\n  PREFERD_GPU_KERNELS\n", text)
            for expected, variable in re.findall(rf"  --\S+(?: <(.*)>)?\n.*\[({prefix}\w+)", text):
                number = re.match(r"an? (?:integer|number) from (\S+) to", expected)
                known = [number[1]] if number else (expected or "true").split("|")
                if expected not in ("text", "a list of texts"):  # which take any word
                    seen = words.get(variable)
                    words[variable] = known if seen is None else [w for w in seen if w in known]
                words.setdefault(variable, None)
        return {variable: "x" if known is None else known[0] for variable, known in words.items()}

    def test_every_command_starts_with_every_variable_that_is_documented(self):
        commands = ("serve", "health", "score", "compare", "inspect", "pack", "merge", "quantize")
        empty = str(self.write("none.toml", ""))
        values = self.documented("preferd", "PREFERD_", commands) | {"PREFERD_INSTRUCTION_SET": "avx2", "PREFERD_GPU_KERNELS": "ampere", "PREFERD_CONFIG": empty}
        self.assertGreater(len(values), 60)
        of_trainer = self.documented("trainer", "TRAINER_", ("train", "evaluate", "label", "explore")) | {"TRAINER_CONFIG": empty}
        self.assertGreater(len(of_trainer), 20)
        for command in commands:
            code, out, err = run(command, "--print-config", env=values | of_trainer)
            self.assertEqual((code, err), (0, ""), command)
        package = PACKAGES / "nf4"
        self.assertEqual(run("inspect", "--package", package, "--verify", env={"PREFERD_INSTRUCTION_SET": "avx2"})[0], 0)
        config = self.write("run.toml", "[runs.x]\nseed = 1\n")
        for command in (["train", "--config", config], ["evaluate"], ["label"], ["explore"]):
            p = subprocess.run([BUILD / "trainer", *command, "--print-config"], env=os.environ | values | of_trainer, capture_output=True, text=True, timeout=60)
            self.assertEqual((p.returncode, p.stderr), (0, ""), command)

    def test_trainer_reads_flags_environment_and_a_file(self):
        file = self.write("flags.toml", 'threads = 2\ndraws = 3\nties = "half"\n')
        p = subprocess.run([BUILD / "trainer", "evaluate", "--config", file, "--threads", "4", "--print-config"], capture_output=True, text=True,
                           timeout=60, env=os.environ | {"TRAINER_DRAWS": "5", "TRAINER_THREADS": "3"})
        for line in ("threads = 4  # flag --threads", "draws = 5  # variable TRAINER_DRAWS", f"ties = \"half\"  # {file}: key 'ties'",
                     'labels = "auto"  # default'):
            self.assertIn(line + "\n", p.stdout)
        for env, args, said in (({"TRAINER_TIES": "often"}, [], "variable TRAINER_TIES: found 'often', expected auto|keep|half|drop"),
                                ({"TRAINER_TEIS": "half"}, [], "variable TRAINER_TEIS is unknown"),
                                ({}, ["--labels", "teacher"], "flag --labels: found 'teacher', expected auto|winner|one_hot|soft"),
                                ({}, [], "flag --input is missing")):
            p = subprocess.run([BUILD / "trainer", "evaluate", *args], capture_output=True, text=True, timeout=60, env=os.environ | env)
            self.assertEqual((p.returncode, p.stderr.startswith("error: " + said)), (2, True), p.stderr)

    def test_an_unknown_instruction_set_is_refused(self):
        pair = ("--prompt", "x", "--response-a", "y", "--response-b", "z")
        code, _, err = run("compare", *pair, env={"PREFERD_INSTRUCTION_SET": "avx9"})
        self.assertEqual(code, 2)
        self.assertRegex(err, "PREFERD_INSTRUCTION_SET: 'avx9' is not one of ")

    def test_unknown_gpu_kernels_are_refused(self):
        code, _, err = run("compare", "--prompt", "x", "--response-a", "y", "--response-b", "z", env={"PREFERD_GPU_KERNELS": "volta"})
        self.assertEqual((code, err), (2, "error: PREFERD_GPU_KERNELS: 'volta' is not one of ampere, hopper\n"))

    def test_compare_prefers_the_answer(self):
        prompt = self.write("prompt.txt", "How do I boil an egg?")
        code, out, _ = run("compare", "--prompt", f"@{prompt}", "--json", "--response-a", "Eggs are laid by hens.", "--response-b",
                           "Put the egg in boiling water for 7 to 10 minutes, then cool it in cold water and peel it.")
        answer = json.loads(out)
        self.assertEqual((code, answer["winner"]), (0, "model_b"))
        code, out, _ = run("compare", "--prompt", "x", "--response-a", "y", "--response-b", "z")
        self.assertIn("People will probably prefer response", out)

    def test_version_and_help(self):
        self.assertIn("libtorch", run("--version")[1])
        for command in ("serve", "health", "score", "compare", "inspect", "merge", "pack", "quantize"):
            code, out, _ = run(command, "--help")
            self.assertEqual(code, 0)
            self.assertIn({"pack": "--output", "quantize": "--output", "health": "--port"}.get(command, "--package"), out)
            self.assertIn(f"  {command} ", run("--help")[1])
        self.assertEqual(subprocess.run([BUILD / "trainer", "train"], capture_output=True).returncode, 2)


class Serve(Folder):
    def test_health_fails_while_a_server_is_not_ready(self):
        class Loading(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(503 if self.path == "/readyz" else 200)
                self.send_header("Content-Length", "20")
                self.end_headers()
                self.wfile.write(b'{"status":"loading"}')

            def log_message(self, *_):
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Loading) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            code, out, err = run("health", "--port", server.server_port)
            server.shutdown()
        self.assertEqual((code, out, err), (1, '{"status":"loading"}\n', ""))

    def serve(self, package, *flags):
        """A server of the package; returns it and ask(method, path, body) -> (status, JSON or text)."""
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = self.port = s.getsockname()[1]
        log = open(self.dir / "log", "w")
        server = subprocess.Popen([PREFERD, "serve", "--package", package, "--port", str(port), *flags], stderr=log)
        self.addCleanup(lambda: (server.kill(), server.wait(), log.close()))

        def ask(method, path, body=None, headers={}):
            c = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            sent = None if body is None else json.dumps(body)
            c.request(method, path, sent, headers | ({} if sent is None else {"Content-Type": "application/json"}))
            reply = c.getresponse()
            text = reply.read().decode()
            c.close()
            return reply.status, json.loads(text) if reply.headers["Content-Type"].startswith("application/json") else text

        for _ in range(200):
            try:
                if ask("GET", "/readyz")[0] == 200:
                    return server, ask
            except OSError:
                pass
            time.sleep(.05)
        self.fail((self.dir / "log").read_text())

    def served_and_offline(self, package, ask, keys):
        out = self.dir / "out"
        self.assertEqual(run("score", "--package", package, "--input", ROWS, "--output", out)[0], 0)
        offline = {r["id"]: r for r in map(json.loads, out.read_text().splitlines())}
        items = [{k: v for k, v in r.items() if k != "adapter"} | {"return": ["logits"]} for r in rows()]
        status, batch = ask("POST", "/batch", {"items": items})
        self.assertEqual(status, 200)
        for item, from_batch in zip(items, batch["results"]):
            status, alone = ask("POST", "/predict", item)
            self.assertEqual(status, 200)
            for reply in (alone, from_batch):
                for key in keys:
                    self.assertEqual(reply[key], offline[item["id"]][key], (item["id"], key))
        return offline

    def test_a_reload_over_http_says_how_it_went(self):
        link = self.dir / "current"
        link.symlink_to(PACKAGES / "lora")
        _, ask = self.serve(link, "--admin-key", "root")
        digest = lambda: ask("GET", "/info")[1]["digest"]
        first = digest()
        reload = lambda: ask("POST", "/admin/reload", {}, {"Authorization": "Bearer root"})
        link.unlink()
        link.symlink_to(PACKAGES / "biases")
        status, said = reload()
        self.assertEqual((status, said["digest"]), (200, digest()))
        self.assertNotEqual(digest(), first)
        link.unlink()
        link.symlink_to(self.dir)
        status, said = reload()
        self.assertEqual((status, said["error"]["code"]), (422, "package_refused"))
        self.assertIn("no package.json here", said["error"]["message"])
        self.assertEqual((ask("GET", "/readyz")[0], ask("POST", "/predict", {k: rows()[0][k] for k in ("prompt", "response_a", "response_b")})[0]), (200, 200))

    def test_health_asks_a_running_server(self):
        server, _ = self.serve(PACKAGES / "lora")
        self.assertEqual(run("health", "--port", str(self.port)), (0, '{"status":"ready"}\n', ""))
        self.assertEqual(run("health", env={"PREFERD_PORT": str(self.port)})[0], 0)
        server.kill()
        server.wait()
        code, out, err = run("health", "--port", str(self.port))
        self.assertEqual((code, out), (1, ""))
        self.assertIn(f"error: no reply from 127.0.0.1:{self.port}: ", err)

    def test_the_docs_list_every_metric(self):
        _, ask = self.serve(PACKAGES / "lora")
        served = set(re.findall(r"^# TYPE (preferd_\w+)", ask("GET", "/metrics")[1], re.M))
        listed = re.findall(r"^\| `(preferd_\w+)` \|", (FIXTURES / "../../docs/metrics.md").read_text(), re.M)
        self.assertLessEqual(served, set(listed))

    def test_served_is_offline_bit_for_bit(self):
        package = PACKAGES / "arena63_v2"
        server, ask = self.serve(package)
        self.served_and_offline(package, ask, ("winner", "probabilities", "logits", "tokens", "truncated"))
        server.send_signal(signal.SIGTERM)
        self.assertEqual(server.wait(timeout=30), 0)
        text = (self.dir / "log").read_text()
        self.assertIsNone(re.search("capital of France|haiku", text), "prompt text in the log")

    def composite(self, manifest, *packages):
        folder = self.dir / "composite"
        for package in packages:
            shutil.copytree(PACKAGES / package, folder / package)
        (folder / "package.json").write_text(json.dumps(manifest))
        return folder

    def test_a_cascade_names_its_path_at_every_door(self):
        folder = self.composite({"format": "preferd-cascade/1", "name": "both", "stages": [
            {"package": "dense"}, {"package": "two_adapters", "adapter": "one", "when_margin_below": .5, "weight": .6}]}, "dense", "two_adapters")
        code, out, err = run("inspect", "--verify", "--package", folder)
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(out.count("golden pairs agree"), 2)
        self.assertIn("two_adapters:one: where the margin is below 0.5, weight 0.6", out)
        self.assertEqual(run("inspect", "--tokens", ROWS, "--package", folder)[0], 2)

        server, ask = self.serve(folder)
        offline = self.served_and_offline(folder, ask, ("winner", "probabilities", "path", "tokens", "truncated"))
        taken = [[step["member"] for step in row["path"]] for row in offline.values()]
        self.assertIn(["dense"], taken)
        self.assertIn(["dense", "two_adapters:one"], taken)
        self.assertNotIn("logits", offline[rows()[0]["id"]])
        info = ask("GET", "/info")[1]
        self.assertEqual((info["kind"], [m["member"] for m in info["members"]]), ("cascade", ["dense", "two_adapters:one"]))
        self.assertEqual(info["members"][1]["when_margin_below"], .5)
        self.assertEqual(ask("POST", "/predict", {**rows()[0], "adapter": "one"})[0], 404)
        counted = re.search(r'preferd_member_items_total\{member="two_adapters:one"\} (\d+)', ask("GET", "/metrics")[1])
        self.assertEqual(int(counted[1]), 2 * taken.count(["dense", "two_adapters:one"]))
        server.send_signal(signal.SIGTERM)
        self.assertEqual(server.wait(timeout=30), 0)

    def test_an_ensemble_speaks_to_people_and_in_csv(self):
        folder = self.composite({"format": "preferd-ensemble/1", "members": [{"package": "dense", "weight": 2}, {"package": "nf4", "order": "swapped"}]}, "dense", "nf4")
        code, out, _ = run("compare", "--package", folder, "--prompt", "p", "--response-a", "a", "--response-b", "b")
        self.assertEqual(code, 0)
        self.assertRegex(out, r"nf4 \(swapped\) says A [0-9.]+ %, B")
        code, out, _ = run("score", "--package", folder, "--input", ROWS, "--output", "-", "--format", "csv")
        self.assertEqual((code, len(out.splitlines())), (0, len(rows()) + 1))
        code, _, err = run("score", "--package", folder, "--adapter", "x", "--input", ROWS)
        self.assertEqual(code, 2)
        (folder / "package.json").write_text('{"format": "preferd-ensemble/1", "members": []}')
        code, _, err = run("score", "--package", folder, "--input", ROWS, "--output", self.dir / "none")
        self.assertEqual(code, 1)
        self.assertRegex(err, r"package.json: ensemble.members is .*expected an array of 1 to 64")


if __name__ == "__main__":
    unittest.main(verbosity=1)
