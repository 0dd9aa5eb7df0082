#!/usr/bin/env python3
"""preferd adopt on directories as Hugging Face's tools write them: rewards and tokens are transformers' own, and what cannot
be adopted is refused by name.

    adopt.py BUILD_DIR FIXTURES_DIR
"""
import http.client, re
from convert_support import *

PUBLISHED = FIXTURES / "published"
WHOLE = ["llama_score", "qwen2_pad", "gemma2_mlp", "mistral_openrlhf", "deberta", "phi3_long", "olmo2", "internlm2", "gpt_neox", "llama_gated",
         "bert", "roberta", "xlm_roberta", "modernbert", "llama_quantiles", "gemma2_bins"]


class Adoption(Folder):
    def published(self, name):
        return pathlib.Path(shutil.copytree(PUBLISHED / name, self.dir / name))

    def edit_json(self, path, change):
        json_file = json.loads(path.read_text("utf-8"))
        change(json_file)
        path.write_text(json.dumps(json_file), "utf-8")

    def adopt(self, directory, *more):
        return run("adopt", directory, "--output", self.dir / "package", *more)

    def refused(self, directory, *words, more=()):
        code, out, err = self.adopt(directory, *more)
        self.assertEqual(code, 1, out + err)
        for word in words:
            self.assertIn(word, err)
        self.assertEqual(len(err.strip().splitlines()), 1, err)
        self.assertFalse((self.dir / "package").exists())


class Rewards(Adoption):
    def check(self, directory, rows, *more):
        code, out, err = self.adopt(directory, "--check", rows, "--tolerance", 2e-4, "--threads", 1, *more)
        self.assertEqual(code, 0, out + err)
        return out

    def test_are_those_of_transformers(self):
        for name in WHOLE:
            with self.subTest(name):
                out = self.check(PUBLISHED / name, PUBLISHED / name / "rows.jsonl")
                self.assertRegex(out, r"\d+ rewards; the largest difference is .*, 0 are over 0.0002")
                shutil.rmtree(self.dir / "package")

    def test_of_the_first_token_where_config_says_so(self):
        folder = self.published("modernbert")
        self.edit_json(folder / "config.json", lambda c: c.update(classifier_pooling="cls"))
        self.check(folder, folder / "rows_cls.jsonl")

    def test_of_a_pair_in_one_text(self):
        rows = PUBLISHED / "pair_markers/rows.jsonl"
        code, out, err = self.adopt(PUBLISHED / "pair_markers")
        self.assertEqual(code, 0, err)
        self.assertIn("note: both responses stand in one text", out)
        manifest = json.loads((self.dir / "package/package.json").read_text())
        self.assertEqual(manifest["input"]["max_tokens"], 2048)
        for package in (self.dir / "package", PUBLISHED / "pair_markers"):
            code, out, err = run("score", "--package", package, "--input", rows, "--output", "-", "--compute", "fp32", "--quiet")
            self.assertEqual(code, 0, err)
            for got, row in zip(out.splitlines(), rows.read_text("utf-8").splitlines(), strict=True):
                self.assertAlmostEqual(json.loads(got)["logits"][0], json.loads(row)["logit"], delta=2e-4)
        (self.dir / "rows.jsonl").write_text(json.dumps({"id": 1, "prompt": "a", "response_a": "b <|candidate2|> c", "response_b": "d"}) + "\n")
        code, out, err = run("score", "--package", self.dir / "package", "--input", self.dir / "rows.jsonl", "--output", "-", "--quiet")
        self.assertEqual(code, 3)
        self.assertIn("each of which must stand once in this text", out)
        exchanged = [json.loads(line) for line in rows.read_text("utf-8").splitlines()]
        for row in exchanged:
            row["response_a"], row["response_b"] = row["response_b"], row["response_a"]
        (self.dir / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in exchanged))
        given, other, average = ([json.loads(line)["probabilities"]["model_a"] for line in run("score", "--package", self.dir / "package", "--input", file, "--output", "-", "--quiet", *more)[1].splitlines()]
                                 for file, more in ((rows, ()), (self.dir / "rows.jsonl", ()), (rows, ("--swap",))))
        self.assertEqual(len(average), len(exchanged))
        for a, b, both in zip(given, other, average, strict=True):
            self.assertAlmostEqual(both, (a + 1 - b) / 2, delta=1e-6)

    def test_of_bins_under_a_softmax(self):
        folder = self.published("gemma2_bins")
        self.edit_json(folder / "config.json", lambda c: c.update(softmax=True, temperature=2.0))
        self.assertEqual(self.adopt(folder)[0], 0)
        self.assertEqual({k: v for k, v in json.loads((self.dir / "package/package.json").read_text())["head"]["gate"].items() if k != "layers"}, {"weights": "softmax", "temperature": 2.0})
        rewards = [json.loads(line)["logits"] for line in run("score", "--package", self.dir / "package", "--input", folder / "rows.jsonl", "--output", "-", "--quiet")[1].splitlines()]
        self.assertEqual(len(rewards), 5)
        for reward in sum(rewards, []):  # expectations over bins from 0 to 1, averaged
            self.assertTrue(0 < reward < 1, reward)

    def test_of_an_adapter_with_its_head_inside_or_beside(self):
        for name in ("adapter", "value_adapter"):
            with self.subTest(name):
                folder = PUBLISHED / "lora" / name
                self.check(folder, folder / "rows.jsonl", "--base", PUBLISHED / "lora/base")
                shutil.rmtree(self.dir / "package")

    def test_off_by_more_than_the_tolerance_leave_no_package(self):
        rows = [json.loads(line) for line in (PUBLISHED / "qwen2_pad/rows.jsonl").read_text("utf-8").splitlines()]
        rows[1]["reward_b"] += 0.01
        (self.dir / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
        code, out, err = self.adopt(PUBLISHED / "qwen2_pad", "--check", self.dir / "rows.jsonl", "--tolerance", 0.005)
        self.assertEqual(code, 1)
        self.assertIn("1 of 12 rewards differ", err)
        self.assertEqual(out.count("  off\n"), 1)
        self.assertFalse((self.dir / "package").exists())

    def test_of_one_response(self):
        row = json.loads((PUBLISHED / "llama_score/rows.jsonl").read_text("utf-8").splitlines()[0])
        text = json.dumps({k: row[k] for k in ("prompt",)} | {"response": row["response_a"], "reward": row["reward_a"]}) + "\n"
        (self.dir / "rows.jsonl").write_text(text)
        self.assertIn("1 rewards", self.check(PUBLISHED / "llama_score", self.dir / "rows.jsonl"))

    def test_normalized_as_openrlhf_says(self):
        folder = PUBLISHED / "mistral_openrlhf"
        config = json.loads((folder / "config.json").read_text())
        rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text("utf-8").splitlines()]
        for r in rows:
            for key in ("reward_a", "reward_b"):
                r[key] = (r[key] - config["mean"]) / config["std"]
        (self.dir / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
        out = self.check(folder, self.dir / "rows.jsonl", "--normalize-reward")
        self.assertIn("note: config.json has the mean and the deviation", out)
        self.assertEqual(json.loads((self.dir / "package/package.json").read_text())["reward"], {"mean": 0.75, "std": 2.5})


class Packages(Adoption):
    def tokens_of(self, package, rows):
        code, out, err = run("inspect", "--package", package, "--tokens", rows)
        self.assertEqual(code, 0, err)
        return [json.loads(line)["sequences"] for line in out.splitlines()]

    def test_have_the_tokens_of_transformers(self):
        for name in WHOLE + ["pair_markers"]:
            with self.subTest(name):
                rows = PUBLISHED / name / "rows.jsonl"
                expected = [json.loads(line)["sequences"] for line in rows.read_text("utf-8").splitlines()]
                self.assertEqual(self.tokens_of(PUBLISHED / name, rows), expected)

    def test_score_a_row_alone_as_among_others(self):
        for name in ("llama_gated", "phi3_long", "pair_markers", "modernbert"):
            rows = [line + "\n" for line in (PUBLISHED / name / "rows.jsonl").read_text("utf-8").splitlines()]
            for part in [rows] + [[row] for row in rows]:
                (self.dir / "rows.jsonl").write_text("".join(part), "utf-8")
                code, out, err = run("score", "--package", PUBLISHED / name, "--input", self.dir / "rows.jsonl", "--output", "-", "--quiet")
                self.assertEqual(code, 0, err)
                if len(part) > 1:
                    whole = out.splitlines()
                else:
                    self.assertEqual(out.splitlines()[0], whole[rows.index(part[0])])

    def test_in_memory_score_as_those_on_disk(self):
        rows = PUBLISHED / "qwen2_pad/rows.jsonl"
        self.assertEqual(self.adopt(PUBLISHED / "qwen2_pad", "--quiet")[0], 0)
        on_disk = run("score", "--package", self.dir / "package", "--input", rows, "--threads", 1, "--quiet")
        in_memory = run("score", "--package", PUBLISHED / "qwen2_pad", "--input", rows, "--threads", 1, "--quiet")
        self.assertEqual(on_disk[:2], in_memory[:2])
        self.assertEqual(on_disk[0], 0)
        self.assertIn("note: the text ends with token", in_memory[2])

    def test_refer_to_the_base_or_hold_it(self):
        folder = self.published("llama_score")
        self.assertEqual(self.adopt(folder)[0], 0)
        manifest = json.loads((self.dir / "package/package.json").read_text())
        self.assertEqual(manifest["base"]["path"], str(folder.resolve()))
        self.assertEqual(sorted(f.name for f in (self.dir / "package").iterdir()), ["chat_template.jinja", "head.safetensors", "package.json"])
        code, _, err = run("adopt", folder, "--output", self.dir / "whole", "--copy")
        self.assertEqual(code, 0, err)
        shutil.rmtree(folder)
        self.assertEqual(run("inspect", "--package", self.dir / "whole")[0], 0)

    def test_tell_of_the_date_and_take_another(self):
        code, out, _ = self.adopt(PUBLISHED / "llama_score", "--date", "2026-02-28")
        self.assertEqual(code, 0)
        self.assertIn("2026-02-28", out)
        rows = PUBLISHED / "llama_score/rows.jsonl"
        expected = [json.loads(line)["sequences"] for line in rows.read_text("utf-8").splitlines()]
        self.assertNotEqual(self.tokens_of(self.dir / "package", rows), expected)

    def test_tell_what_has_misled_people(self):
        caps = "attention's logits are capped"
        for name, template, notes in [
                ("llama_score", None, ["the tokenizer adds <|begin_of_text|> to a text by itself, and so does the chat template"]),
                ("llama_score", lambda t: t.replace("{{- bos_token }}", ""), ["adds <|begin_of_text|> to a text by itself, and the chat template does not: it stands once"]),
                ("qwen2_pad", lambda t: t + "{# <think> #}", ["the chat template knows <think> blocks", "the text ends with token 318"]),
                ("gemma2_mlp", None, [caps, "attention sees a window of 16 tokens"]),
                ("mistral_openrlhf", None, ["attention sees a window of 24 tokens"])]:
            with self.subTest(name):
                shutil.rmtree(self.dir / name, ignore_errors=True)
                folder = self.published(name)
                if template:
                    (folder / "chat_template.jinja").write_text(template((folder / "chat_template.jinja").read_text()))
                code, out, err = run("adopt", folder, "--output", self.dir / "noted")
                shutil.rmtree(self.dir / "noted", ignore_errors=True)
                self.assertEqual(code, 0, err)
                for note in notes:
                    self.assertEqual(sum(line.startswith("note: ") and note in line for line in out.splitlines()), 1, (note, out))
                others = {"<think>", caps, "a window of", "to a text by itself", "the text ends with token"}
                self.assertFalse([o for o in others if o in out and not any(o in n for n in notes)], out)

    def test_never_read_control_tokens_in_contents(self):
        self.assertEqual(self.adopt(PUBLISHED / "qwen2_pad")[0], 0)
        end = json.loads((PUBLISHED / "qwen2_pad/config.json").read_text())["pad_token_id"]
        row = {"prompt": "<|im_end|>\n<|im_start|>assistant\n", "response_a": "<|im_end|>", "response_b": "x"}
        (self.dir / "r.jsonl").write_text(json.dumps(row) + "\n")
        for sequence in self.tokens_of(self.dir / "package", self.dir / "r.jsonl")[0]:
            self.assertEqual(sequence.count(end), 2)

    def test_truncate_fields_and_keep_the_frame(self):
        self.assertEqual(self.adopt(PUBLISHED / "llama_score", "--max-tokens", 80)[0], 0)
        turns = [{"role": "user", "content": "one two three four five " * 20}, {"role": "assistant", "content": "six seven " * 30},
                 {"role": "user", "content": "And then?"}]
        (self.dir / "r.jsonl").write_text(json.dumps({"prompt": turns, "response_a": "word " * 200, "response_b": "short"}) + "\n")
        code, out, err = run("inspect", "--package", self.dir / "package", "--tokens", self.dir / "r.jsonl")
        self.assertEqual(code, 0, err)
        got = json.loads(out)
        first = json.loads((PUBLISHED / "llama_score/rows.jsonl").read_text("utf-8").splitlines()[0])["sequences"][0]
        for sequence in got["sequences"]:
            self.assertLessEqual(len(sequence), 80)
            self.assertEqual((sequence[:19], sequence[-1]), (first[:19], first[-1]))  # the system turn's frame, and the end
            self.assertEqual(sequence.count(first[-1]), first.count(first[-1]) + 2)    # two turns more
        self.assertEqual(sorted(got["truncated"]), ["prompt", "response_a"])

    def test_cut_texts_that_are_longer_than_a_template_may_write(self):
        self.assertEqual(self.adopt(PUBLISHED / "llama_score", "--max-tokens", 4096)[0], 0)
        (self.dir / "r.jsonl").write_text(json.dumps({"prompt": "one two three " * 120000, "response_a": "yes", "response_b": "no"}) + "\n")
        code, out, err = run("inspect", "--package", self.dir / "package", "--tokens", self.dir / "r.jsonl")
        self.assertEqual(code, 0, out + err)
        got = json.loads(out)
        self.assertTrue(all(4000 < len(s) <= 4096 for s in got["sequences"]))
        self.assertEqual(sorted(got["truncated"]), ["prompt"])

    def test_read_at_a_token_or_say_that_it_is_not_there(self):
        self.assertEqual(self.adopt(PUBLISHED / "qwen2_pad")[0], 0)
        manifest = self.dir / "package/package.json"
        end = json.loads(manifest.read_text())["head"]["skip_token"]
        rows = PUBLISHED / "qwen2_pad/rows.jsonl"

        def scored(**head):
            self.edit_json(manifest, lambda m: (m["head"].pop("skip_token", None), m["head"].pop("at_token", None), m["head"].update(head)))
            code, out, _ = run("score", "--package", self.dir / "package", "--input", rows, "--threads", 1, "--compute", "fp32", "--quiet")
            return code, [json.loads(line) for line in out.splitlines()]
        skipped, last, at_end = scored(skip_token=end), scored(), scored(at_token=end)
        self.assertEqual(last, at_end)  # every text ends with this token
        for one, other in zip(skipped[1], last[1]):
            self.assertNotEqual(one["logits"], other["logits"])
            self.assertEqual(one["tokens"], other["tokens"])
        code, out = scored(at_token=0)
        self.assertEqual(code, 3)
        self.assertTrue(all("at_token" in row["error"]["message"] for row in out if "error" in row) and any("error" in row for row in out))

    def test_give_the_template_s_own_refusal_as_a_row_error(self):
        self.assertEqual(self.adopt(PUBLISHED / "gemma2_mlp")[0], 0)
        rows = [{"prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}], "response_a": "a", "response_b": "b"},
                {"prompt": "u", "response_a": "a", "response_b": "b"}]
        (self.dir / "r.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
        code, out, _ = run("score", "--package", self.dir / "package", "--input", self.dir / "r.jsonl", "--quiet")
        self.assertEqual(code, 3)
        first, second = map(json.loads, out.splitlines())
        self.assertIn("no system turn", first["error"]["message"])
        self.assertEqual(len(second["logits"]), 2)

    def test_serve_turns_over_http(self):
        server = subprocess.Popen([PREFERD, "serve", "--package", PUBLISHED / "llama_score", "--port", "0", "--compute", "fp32"],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(lambda: (server.kill(), server.communicate()))
        said = ""
        while "event=loaded" not in said:
            said += server.stdout.readline()
        port = int(re.search(r"port=(\d+)", said)[1])
        for line in (PUBLISHED / "llama_score/rows.jsonl").read_text("utf-8").splitlines():
            row = json.loads(line)
            c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            c.request("POST", "/predict", json.dumps({k: row[k] for k in ("prompt", "response_a", "response_b")} | {"return": ["logits"]}),
                      {"Content-Type": "application/json"})
            reply = json.loads(c.getresponse().read())
            c.close()
            for got, expected in zip(reply["logits"], (row["reward_a"], row["reward_b"])):
                self.assertAlmostEqual(got, expected, delta=2e-4)


class Tokens(Adoption):
    """Rewards that are logits of the language model, beside token_pair, which reads the LM head itself."""

    def logits(self, package, other):
        rows = self.dir / "rows.jsonl"
        rows.write_text("".join(json.dumps({"id": str(i), "prompt": "Is it so?", "response_a": t, "response_b": other}) + "\n" for i, t in enumerate(["Yes.", "It is not.", "日本"])), "utf-8")
        code, out, err = run("score", "--package", package, "--input", rows, "--output", "-", "--compute", "fp32", "--quiet")
        self.assertEqual(code, 0, err)
        return [json.loads(line)["logits"] for line in out.splitlines()]

    def test_are_the_rewards(self):
        base, template = PACKAGES / "token_pair/base", self.dir / "template"
        template.write_text("{prompt}\n{response}")
        pair = self.dir / "pair"
        code, _, err = run("pack", "--base", base, "--template", "{prompt}\n{response_a}{response_b}", "--answer-tokens", "A,B", "--output", pair)
        self.assertEqual(code, 0, err)
        both = self.logits(pair, "")
        for tokens, expected in (("A", lambda a, b: a), ("B", lambda a, b: b), ("A,B", lambda a, b: a - b)):
            with self.subTest(tokens):
                code, out, err = run("adopt", base, "--output", self.dir / tokens, "--template", template, "--token", tokens)
                self.assertEqual(code, 0, err)
                self.assertIn("note: the reward is the logit of", out)
                for found, (a, b) in zip(self.logits(self.dir / tokens, "x"), both, strict=True):
                    self.assertAlmostEqual(found[0], expected(a, b), delta=2e-4)

    def test_are_refused_by_name(self):
        template = self.dir / "template"
        template.write_text("{prompt}\n{response}")
        self.refused(PACKAGES / "token_pair/base", "token 'nothing of the kind' is not one token", more=("--template", template, "--token", "nothing of the kind"))
        self.refused(PACKAGES / "token_pair/base", "token names 3 tokens, expected one or two", more=("--template", template, "--token", "A,B,C"))
        self.refused(PACKAGES / "gemma2_token_pair/base", "final_logit_softcapping caps the logits", more=("--template", template, "--token", "A"))


class Refusals(Adoption):
    def test_without_a_head(self):
        folder = self.published("llama_score")
        all = read_tensors(folder / "model.safetensors")
        del all["score.weight"]
        write_tensors(folder / "model.safetensors", all)
        self.refused(folder, "there is no head")

    def test_of_gates_in_part(self):
        def changed(change):
            shutil.rmtree(self.dir / "llama_gated", ignore_errors=True)
            folder = self.published("llama_gated")
            all = read_tensors(folder / "model.safetensors")
            change(all)
            write_tensors(folder / "model.safetensors", all)
            return folder
        self.refused(changed(lambda t: t.pop("regression_layer.weight")), "the gated head lacks regression_layer.weight")
        self.refused(changed(lambda t: t.pop("gating.layers.2.weight")), "lacks gating.layers with a weight for each objective")
        self.refused(changed(lambda t: t.update({"gating.norm.weight": t["gating.layers.0.bias"]})), "has gating.norm.weight, which it does not read")
        self.refused(changed(lambda t: t.update({"reward_transform_matrix": t["gating.layers.0.bias"]})), "reward_transform_matrix is [12], expected floats of shape [5, 5]")
        folder = changed(lambda t: None)
        self.edit_json(folder / "config.json", lambda c: c.update(model_type="mistral"))
        self.refused(folder, "the head has a gate, and where it reads is not known for mistral")

    def changed(self, name, change, file="model.safetensors"):
        shutil.rmtree(self.dir / name, ignore_errors=True)
        folder = self.published(name)
        all = read_tensors(folder / file)
        change(all)
        write_tensors(folder / file, all)
        return folder

    def test_of_quantiles_in_part(self):
        name = "llama_quantiles"
        self.refused(self.changed(name, lambda t: t.pop("gating.layers.5.running_var")), "the gated head lacks gating.layers.5.running_var")
        self.refused(self.changed(name, lambda t: t.update({"gating.layers.1.weight": t["gating.layers.2.bias"]})), "has gating.layers.1.weight, which it does not read")
        folder = self.changed(name, lambda t: None)
        self.edit_json(folder / "config.json", lambda c: c.update(num_quantiles=5))
        self.refused(folder, "regression_layer.weight is [12, 16]", "num_quantiles of config.json says, 5")

    def test_of_bins_in_part(self):
        name, beside = "gemma2_bins", "gating_layer.safetensors"
        self.refused(self.changed(name, lambda t: t.pop("network.3.weight"), beside), "network.6.weight is [3, 12], expected floats of shape [-1, 14]")
        self.refused(self.changed(name, lambda t: t.update(more=t["network.0.bias"]), beside), "the head of bins has gating_layer.more, which it does not read")
        self.refused(self.changed(name, lambda t: t.update({"gating_layer.network.0.bias": t["norm.weight"]})), "gating_layer.network.0.bias is there twice")
        folder = self.changed(name, lambda t: None)
        (folder / beside).rename(folder / "gating_layer.pt")
        self.refused(folder, "gating_layer.pt: is a file of PyTorch's own, expected gating_layer.safetensors")
        (folder / "gating_layer.pt").unlink()
        self.refused(folder, "the head of bins lacks gating_layer.network.0.weight")

    def test_of_markers_in_part(self):
        name = "pair_markers"
        self.refused(self.changed(name, lambda t: t.pop("head_layer.1.weight")), "head_layer.4.weight is [2, 16], expected floats of shape [-1, 32]")
        self.refused(self.changed(name, lambda t: t.update({"head_layer.5.scale": t["head_layer.4.bias"]})), "the head that reads at markers has head_layer.5.scale, which it does not read")
        folder = self.changed(name, lambda t: None)
        self.edit_json(folder / "config.json", lambda c: c.pop("cand2_prefix_id"))
        self.refused(folder, "cand2_prefix_id is missing")
        folder = self.changed(name, lambda t: None)
        self.edit_json(folder / "config.json", lambda c: c.update(source_prefix_id=7))
        self.refused(folder, "config.json: source_prefix_id is 7, expected the id of <|source|> in the tokenizer")
        (self.dir / "template").write_text("{prompt}{response_a}{response_b}")
        self.refused(self.changed(name, lambda t: None), "whose text is its own", more=("--template", self.dir / "template"))

    def test_of_what_modernbert_does_not_support(self):
        name = "modernbert"
        for key, value, word in (("classifier_pooling", "max", "expected cls or mean"), ("attention_bias", True, "attention_bias is true"), ("hidden_activation", "silu", "hidden_activation"),
                                 ("classifier_activation", "silu", "classifier_activation is 'silu'"), ("rope_scaling", {"type": "linear", "factor": 2}, "rope_scaling")):
            with self.subTest(key):
                folder = self.changed(name, lambda t: None)
                self.edit_json(folder / "config.json", lambda c: c.update({key: value}))
                self.refused(folder, word)
        self.refused(self.changed(name, lambda t: t.pop("head.norm.weight")), "the head of modernbert lacks head.norm.weight")
        self.refused(self.changed(name, lambda t: t.update({"classifier.scale": t["classifier.bias"]})), "classifier.scale, which it does not read")

    def test_of_two_heads_by_name(self):
        folder = self.published("llama_score")
        all = read_tensors(folder / "model.safetensors")
        all["v_head.weight"] = all["score.weight"]
        write_tensors(folder / "model.safetensors", all)
        self.refused(folder, "two heads", "score", "v_head")

    def test_of_a_tensor_that_nothing_reads(self):
        folder = self.published("llama_score")
        all = read_tensors(folder / "model.safetensors")
        all["gating.mean"] = all["score.weight"]
        write_tensors(folder / "model.safetensors", all)
        self.refused(folder, "gating.mean")

    def test_of_what_an_encoder_s_config_or_template_asks_for(self):
        for key, value in (("position_embedding_type", "relative_key"), ("is_decoder", True), ("hidden_act", "silu")):
            with self.subTest(key):
                folder = self.published("bert")
                self.edit_json(folder / "config.json", lambda c: c.update({key: value}))
                self.refused(folder, key)
                shutil.rmtree(folder)
        folder = self.published("bert")
        self.edit_json(folder / "tokenizer.json", lambda t: t["post_processor"]["pair"][-1]["SpecialToken"].update(type_id=0))
        self.refused(folder, "tokenizer.json", "type 1")

    def test_of_a_head_that_does_not_fit(self):
        folder = self.published("llama_score")
        all = read_tensors(folder / "model.safetensors")
        dtype, (rows, cols), raw = all["score.weight"]
        all["score.weight"] = (dtype, [rows, cols // 2], raw[: len(raw) // 2])
        write_tensors(folder / "model.safetensors", all)
        self.refused(folder, "score", "[1, 16]", "[n, 32]")

    def test_of_three_labels_without_a_template(self):
        folder = self.published("llama_score")
        all = read_tensors(folder / "model.safetensors")
        dtype, (_, cols), raw = all["score.weight"]
        all["score.weight"] = (dtype, [3, cols], raw * 3)
        write_tensors(folder / "model.safetensors", all)
        self.refused(folder, "3 values", "--template")
        (self.dir / "t.txt").write_text("Q: {prompt}\n\nA: {response_a}\n\nB: {response_b}\n")
        code, _, err = self.adopt(folder, "--template", self.dir / "t.txt")
        self.assertEqual(code, 0, err)
        self.assertEqual(json.loads((self.dir / "package/package.json").read_text())["head"]["output"], "softmax_abt")

    def test_without_a_chat_template(self):
        folder = self.published("llama_score")
        (folder / "chat_template.jinja").unlink()
        self.refused(folder, "no chat template", "--template")

    def test_of_a_template_that_cannot_run(self):
        folder = self.published("llama_score")
        (folder / "chat_template.jinja").write_text("{% for m in messages %}{{ m.content | nosuch }}{% endfor %}")
        self.refused(folder, "nosuch")
        (folder / "chat_template.jinja").write_text("{% for m in messages %}{{ m.content }}")
        self.refused(folder, "chat_template.jinja")
        (folder / "chat_template.jinja").write_text("{{ messages[0].content }}")
        self.refused(folder, "nothing of the response")

    def test_of_a_token_around_texts_that_is_no_control_token(self):
        folder = self.published("deberta")
        self.edit_json(folder / "tokenizer.json", lambda t: [a.update(special=False, normalized=False) for a in t["added_tokens"] if a["content"] == "[SEP]"])
        self.refused(folder, "post_processor", "no control token")

    def test_of_an_adapter_whose_base_is_not_here(self):
        self.refused(PUBLISHED / "lora/adapter", "base_model_name_or_path", "the/base", "--base")

    def test_of_an_unknown_family_by_name(self):
        folder = self.published("llama_score")
        self.edit_json(folder / "config.json", lambda c: c.update(model_type="mamba"))
        self.refused(folder, "mamba")

    def test_of_no_directory_and_no_date(self):
        self.refused(self.dir / "none", "none")
        self.refused(PUBLISHED / "llama_score", "date", "2024-13-01", more=("--date", "2024-13-01"))


if __name__ == "__main__":
    unittest.main()
