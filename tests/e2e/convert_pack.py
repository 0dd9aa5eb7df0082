#!/usr/bin/env python3
"""preferd pack: parts become a package that says what they said, or the reason why not.

    convert_pack.py BUILD_DIR FIXTURES_DIR
"""
import re, resource
from convert_support import *

SCORE = PACKAGES / "lora_score"


def manifest(package):
    return json.loads((package / "package.json").read_text())


def golden(package):
    return [json.loads(line) for line in (package / "golden.jsonl").read_text().splitlines()]


class Pack(Folder):
    def pack(self, *args):
        code, out, err = run("pack", "--output", self.out, *args)
        self.assertEqual(code, 0, err)
        return out

    def same_as(self, package):
        self.assertEqual(self.scored(self.out), self.scored(package))
        code, out, err = run("inspect", "--package", self.out, "--verify")
        self.assertEqual(code, 0, err)
        self.assertRegex(out, "golden pairs agree")

    def test_a_package_packed_again_says_the_same(self):
        for package in ("two_adapters", "arena63_v2", "stored_nf4", "gemma2_nf4_lora", "token_pair", "lora_saved_embedding", "cut_layers"):
            self.pack("--manifest", PACKAGES / package / "package.json", "--threads", 1)
            self.same_as(PACKAGES / package)
            self.assertEqual(len(golden(self.out)), 16)
            shutil.rmtree(self.out)

    def test_an_adapter_of_peft_needs_no_manifest(self):
        said = self.pack("--base", SCORE / "base", "--adapter", SCORE / "adapter", "--max-tokens", 96)
        self.same_as(SCORE)
        self.assertIn("softmax_abt", said)
        self.assertEqual(manifest(self.out)["name"], "out")
        self.assertEqual({p.name for p in self.out.iterdir()}, {"package.json", "base", "adapter", "golden.jsonl"})

    def test_one_sequence_a_response_and_the_name(self):
        adapter = self.copy("lora_score") / "adapter"
        self.edit_tensors(adapter / "adapter_model.safetensors",
                          lambda t: t.__setitem__("base_model.model.score.weight", ("F32", [1, 64], t["base_model.model.score.weight"][2][:256])))
        template = self.dir / "template.txt"
        template.write_text("Q: {prompt}\nA {not a field}: {response}\n")
        self.pack("--base", SCORE / "base", "--adapter", adapter, "--template", f"@{template}", "--name", "judge", "--max-tokens", 200)
        made = manifest(self.out)
        self.assertEqual((made["name"], made["input"]["layout"], made["head"]["output"]), ("judge", "per_response", "difference"))
        self.assertEqual(made["input"]["template"], [{"text": "Q: "}, {"field": "prompt"}, {"text": "\nA {not a field}: "}, {"field": "response"}])

    def test_answer_tokens(self):
        self.pack("--base", PACKAGES / "token_pair" / "base", "--adapter", PACKAGES / "token_pair" / "adapter", "--answer-tokens", "A,B", "--max-tokens", 96)
        self.same_as(PACKAGES / "token_pair")

    def logits(self, package):
        return [json.loads(line)["logits"] for line in self.scored(package).splitlines()]

    def test_labels_put_outputs_into_our_order(self):
        adapter = self.copy("lora_score") / "adapter"
        name, row = "base_model.model.score.weight", 64 * 4

        def trade(tensors):  # as if it had been trained as tie, model_b, model_a
            dtype, shape, data = tensors[name]
            tensors[name] = (dtype, shape, data[2 * row:] + data[row:2 * row] + data[:row])
        self.edit_tensors(adapter / "adapter_model.safetensors", trade)
        flags = ("--base", SCORE / "base", "--adapter", adapter, "--max-tokens", 96)
        said = self.pack(*flags, "--labels", "tie,model_b,model_a")
        self.same_as(SCORE)
        self.assertIn("outputs are model_a, model_b, tie\nthe head was put into that order, as --labels says", said)
        self.assertEqual((adapter / "adapter_model.safetensors").stat().st_nlink, 1)
        for labels, words in (("model_b,model_a", "2 names, the head's base_model.model.score.weight is [3, 64]"), ("model_a,b", "'b', expected model_a, model_b or tie"),
                              ("model_a,model_a,tie", "'model_a' occurs twice"), ("model_a,tie", "tie is one of 2 names"), ("tie", "expected model_a or model_b")):
            shutil.rmtree(self.out, ignore_errors=True)
            code, _, err = run("pack", "--output", self.out, *flags, "--labels", labels)
            self.assertIn(words, err)
            self.assertEqual((code, self.out.exists()), (1 if "3, 64" in words else 2, False))

    def test_a_logit_of_a_is_turned(self):
        head = lambda sign: {"layers.0.weight": ("F32", [1, 64], struct.pack("<64f", *[sign * (i - 9) / 64 for i in range(64)])), "layers.0.bias": ("F32", [1], struct.pack("<f", sign * .3))}
        said = {}
        for sign, labels in ((1, []), (-1, ["--labels", "model_a"])):
            write_tensors(self.dir / "h.safetensors", head(sign))
            self.pack("--base", PACKAGES / "stored_int8" / "base", "--head", self.dir / "h.safetensors", *labels)
            said[sign] = self.logits(self.out)
            shutil.rmtree(self.out)
        self.assertEqual(said[1], said[-1])
        code, _, err = run("pack", "--output", self.out, "--manifest", PACKAGES / "token_pair" / "package.json", "--labels", "model_b,model_a")
        self.assertEqual((code, "output token_pair has no order of classes" in err), (1, True))

    def test_logits_of_golden_rows_are_compared(self):
        rows = golden(SCORE)
        flags = ("--base", SCORE / "base", "--adapter", SCORE / "adapter", "--max-tokens", 96, "--golden-rows", self.dir / "rows.jsonl")
        write = lambda rows: (self.dir / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
        write(rows[:8] + [{k: v for k, v in r.items() if k != "logits"} for r in rows[8:]])
        self.assertIn("8 rows of", self.pack(*flags))
        shutil.rmtree(self.out)
        write([{k: v for k, v in r.items() if k != "logits"} for r in rows])
        self.assertIn("nothing of yours was compared", self.pack(*flags))
        shutil.rmtree(self.out)
        write(rows[:3] + [rows[3] | {"logits": [9, 9, 9]}, rows[4] | {"logits": rows[4]["logits"][:2]}] + rows[5:])
        code, _, err = run("pack", "--output", self.out, *flags)
        self.assertEqual((code, self.out.exists()), (1, False))
        self.assertIn("the logits of 2 of 16 rows differ from what the package gives in fp32 by more than 2e-4", err)
        self.assertEqual(len(re.findall(r"\n  row .*: given \[.*\], the package says \[.*\], off by ", err)), 2, err)
        write(rows[:3] + [rows[3] | {"logits": "9"}] + rows[4:])
        self.assertIn("rows.jsonl:4: logits: expected an array of numbers", run("pack", "--output", self.out, *flags)[2])
        write([r | {"logits": r["logits"][::-1]} for r in rows])  # of a head in another order
        code, _, err = run("pack", "--output", self.out, *flags)
        self.assertIn("another order of the classes? --labels", err)

    def test_what_misleads_is_told(self):
        flags = ("--base", SCORE / "base", "--adapter", SCORE / "adapter", "--max-tokens", 96)
        code, _, err = run("pack", "--output", self.out, *flags, "--template", "{prompt}\\n{response_a}\\n{response_b}")
        self.assertEqual(code, 0)
        self.assertIn("note: the template holds a backslash and an n", err)
        shutil.rmtree(self.out)
        self.assertIn("nothing is downloaded", run("pack", "--output", self.out, "--base", "HuggingFaceTB/SmolLM2-135M", *flags[2:])[2])
        adapter = self.copy("lora_score") / "adapter"
        (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
        self.assertIn("adapter_model.bin: is a pickle", run("pack", "--output", self.out, "--base", SCORE / "base", "--adapter", adapter)[2])

    def test_a_head_of_our_own_and_no_adapter(self):
        head = self.dir / "h.safetensors"
        write_tensors(head, {"layers.0.weight": ("F32", [1, 64], struct.pack("<64f", *[i / 64 for i in range(64)])), "layers.0.bias": ("F32", [1], b"\0" * 4)})
        self.pack("--base", PACKAGES / "stored_int8" / "base", "--head", head)
        made = manifest(self.out)
        self.assertEqual(made["head"], {"layers": [{"type": "linear", "in": 64, "out": 1}], "output": "sigmoid_b", "file": "head.safetensors"})
        self.assertEqual(made["quantization"], {"scheme": "int8", "embeddings": "int8_row"})

    def test_quantization_is_what_the_files_are_or_what_is_asked(self):
        head = PACKAGES / "cut_layers" / "package.json"
        shutil.copytree(PACKAGES / "cut_layers", self.dir / "cut")
        for base, flags, expected in (("stored_nf4", [], {"scheme": "nf4", "double_quant": True, "block_size": 64, "embeddings": "nf4"}),
                                      ("stored_fp4", [], {"scheme": "fp4", "double_quant": False, "block_size": 64}),
                                      ("cut_layers", ["--scheme", "nf4", "--double-quant"], {"scheme": "nf4", "double_quant": True, "block_size": 64}),
                                      ("cut_layers", ["--scheme", "none"], {"scheme": "none"})):
            self.pack("--manifest", head, "--base", PACKAGES / base / "base", *flags)
            self.assertEqual(manifest(self.out)["quantization"], expected)
            shutil.rmtree(self.out)

    def test_a_linked_base_stays_where_it_is(self):
        self.pack("--base", SCORE / "base", "--adapter", SCORE / "adapter", "--max-tokens", 96, "--link-base")
        self.assertEqual(manifest(self.out)["base"]["path"], str(SCORE / "base"))
        self.assertFalse((self.out / "base").exists())
        self.same_as(SCORE)

    def test_several_adapters_each_have_golden_pairs(self):
        two = PACKAGES / "two_adapters"
        self.pack("--manifest", two / "package.json", "--adapter", f"two={two / 'two'}", "--adapter", f"one={two / 'one'}")
        self.assertEqual([a["name"] for a in manifest(self.out)["adapters"]], ["two", "one"])
        self.assertEqual([g["adapter"] for g in golden(self.out)], ["two", "one"] * 8)
        self.assertEqual({len(g["logits"]) for g in golden(self.out) if g["adapter"] == "two"}, {3})
        rows = self.dir / "rows.jsonl"
        rows.write_text("".join(json.dumps({"id": i, "prompt": "p" * i, "response_a": "a", "response_b": "b", "adapter": "one"}) + "\n" for i in range(1, 20)))
        self.assertEqual(self.scored(self.out, rows), self.scored(two, rows))

    def test_golden_rows_of_ones_own(self):
        def rows(n, **more): return "".join(json.dumps({"id": i, "prompt": f"p{i}", "response_a": "a", "response_b": f"b{i}", **more}) + "\n" for i in range(n))
        source, own = ["--manifest", SCORE / "package.json", "--golden-rows"], self.dir / "rows.jsonl"
        own.write_text(rows(100))
        self.pack(*source, own)
        self.assertEqual([g["id"] for g in golden(self.out)], list(range(64)))
        shutil.rmtree(self.out)
        own.write_text(rows(15))
        self.refused(1, ["rows.jsonl", "15 rows", "16 or more"], "pack", "--output", self.out, *source, own)
        own.write_text(rows(20) + '{"prompt": "x"}\n')
        self.refused(1, ["rows.jsonl:21: response_a is missing"], "pack", "--output", self.out, *source, own)
        own.write_text(rows(20, adapter="nobody"))
        self.refused(1, ["row 0", "not in this package"], "pack", "--output", self.out, *source, own)
        self.refused(1, ["absent.jsonl"], "pack", "--output", self.out, *source, self.dir / "absent.jsonl")

    def test_parts_that_do_not_fit_are_named_as_the_user_named_them(self):
        parts = ["--base", SCORE / "base", "--adapter", SCORE / "adapter"]
        wide = self.copy("lora_score", "wide") / "adapter"
        self.edit_tensors(wide / "adapter_model.safetensors", lambda t: t.pop("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"))
        said = self.refused(1, [str(wide), "missing", "lora_A"], "pack", "--output", self.out, "--base", SCORE / "base", "--adapter", wide)
        self.assertNotIn(".part", said)
        nan = self.dir / "nan.safetensors"
        write_tensors(nan, {"layers.0.weight": ("F32", [1, 64], struct.pack("<64f", *[float("nan")] * 64))})
        said = self.refused(1, [str(nan), "NaN"], "pack", "--output", self.out, "--base", PACKAGES / "dense" / "base", "--head", nan)
        self.assertNotIn(".part", said)
        self.refused(1, ["64", "32"], "pack", "--output", self.out, "--base", PACKAGES / "dense" / "base", "--head", self.narrow_head())
        self.refused(1, ["adapter_config.json", "No such file"], "pack", "--output", self.out, "--base", SCORE / "base", "--adapter", SCORE / "base", "--answer-tokens", "A,B")
        self.refused(1, ["absent"], "pack", "--output", self.out, "--base", SCORE / "base", "--adapter", self.dir / "absent")
        self.refused(1, ["absent"], "pack", "--output", self.out, "--base", self.dir / "absent", "--adapter", SCORE / "adapter")
        self.refused(1, ["no head", "no score"], "pack", "--output", self.out, "--base", PACKAGES / "lora" / "base", "--adapter", PACKAGES / "lora" / "adapter")
        self.refused(1, ["more than one linear", "layers.3.weight"], "pack", "--output", self.out, "--base", PACKAGES / "dense" / "base", "--head", PACKAGES / "dense" / "head.safetensors")
        self.refused(1, ["3 values", "expected 1"], "pack", "--output", self.out, *parts, "--template", "{prompt} {response}")
        self.refused(1, ["template", "{response_b}"], "pack", "--output", self.out, *parts, "--template", "{prompt} {response_a}")
        self.refused(1, ["not consumed"], "pack", "--output", self.out, *parts, "--head", self.narrow_head(64))
        self.refused(1, ["quantized"], "pack", "--output", self.out, "--manifest", SCORE / "package.json", "--base", PACKAGES / "stored_nf4" / "base", "--scheme", "none")
        self.refused(1, ["expected a name"], "pack", "--output", self.out, "--base", SCORE / "base", "--adapter", SCORE / "adapter", "--adapter", f"b={SCORE / 'adapter'}")
        self.refused(1, ["expected a name"], "pack", "--output", self.out, "--base", SCORE / "base", "--adapter", f"../x={SCORE / 'adapter'}")

    def narrow_head(self, width=32):
        path = self.dir / "narrow.safetensors"
        write_tensors(path, {"layers.0.weight": ("F32", [1, width], b"\0" * 4 * width)})
        return path

    def test_manifests_that_are_wrong(self):
        copy = self.copy("lora_score")
        for change, words in (({"nonsense": 1}, "nonsense"), ({"head": None}, "head"), ({"format": "x/2"}, ["format is \"x/2\"", "preferd-package/1"]), ({"adapter": {"path": "../../nowhere"}}, "nowhere"),
                              ({"base": "base"}, ["base is", "object"]), ({"head": [1]}, ["head is", "object"]), ({"features": 3}, ["features is", "object"]),
                              ({"adapters": {"name": "x"}}, ["adapters is", "array"])):
            self.edit(shutil.copy(SCORE / "package.json", copy / "package.json"), **change)
            said = self.refused(1, words, "pack", "--output", self.out, "--manifest", copy / "package.json")
            self.assertNotIn(".part", said)
        for key in ("base", "quantization", "adapter", "features", "head", "adapters"):
            self.edit(shutil.copy(SCORE / "package.json", copy / "package.json"), **{key: "x"})
            self.refused(1, ["package.json", f"{key} is 'x', expected an "], "pack", "--output", self.out, "--manifest", copy / "package.json",
                         "--base", SCORE / "base", "--head", self.narrow_head(), "--features", self.narrow_head())
        (copy / "package.json").write_text("[]")
        self.refused(1, "JSON object", "pack", "--output", self.out, "--manifest", copy / "package.json")
        (copy / "package.json").write_text('{"a": 1, "a": 2}')
        self.refused(1, "package.json", "pack", "--output", self.out, "--manifest", copy / "package.json")

    def test_outputs_and_disks(self):
        parts = ["--base", SCORE / "base", "--adapter", SCORE / "adapter"]
        self.out.mkdir()
        (self.out / "mine").write_text("x")
        self.refused(1, "not empty", "pack", "--output", self.out, *parts)
        shutil.rmtree(self.out)
        gone = self.dir / "gone"
        gone.mkdir()
        self.refused(1, ["made.part", "No such file"], "pack", "--output", "made", *parts, cwd=gone, preexec_fn=lambda: os.rmdir(gone))
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))
        self.refused(1, ["model.safetensors", "File too large"], "pack", "--output", self.out, *parts, preexec_fn=limit)

    def test_usage(self):
        parts = ["--base", SCORE / "base", "--adapter", SCORE / "adapter"]
        self.refused(2, "exclude each other", "pack", "--output", self.out, *parts, "--manifest", SCORE / "package.json", "--template", "x")
        self.refused(2, "base", "pack", "--output", self.out, "--adapter", SCORE / "adapter")
        self.refused(2, "two", "pack", "--output", self.out, *parts, "--answer-tokens", "A,B,C")
        self.refused(2, "scheme nf4 or fp4", "pack", "--output", self.out, *parts, "--double-quant")
        self.refused(2, "--output", "pack", *parts)
        self.refused(2, "1048576", "pack", "--output", self.out, *parts, "--max-tokens", 0)
        code, out, _ = run("pack", "--help")
        self.assertEqual(code, 0)
        self.assertIn("--golden-rows", out)


if __name__ == "__main__":
    unittest.main(verbosity=1)
