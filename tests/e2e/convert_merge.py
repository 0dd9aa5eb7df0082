#!/usr/bin/env python3
"""preferd merge: the merged package says what the adapter said, or nothing is written.

    convert_merge.py BUILD_DIR FIXTURES_DIR
"""
import resource
from convert_support import *

DENSE = ("lora_all_linear", "lora_bare_rslora", "lora_layers", "lora_patterns", "lora_regex", "lora_saved_norm", "lora_score", "token_pair", "gemma2_token_pair", "two_adapters", "lora_dora")


def manifest(package):
    return json.loads((package / "package.json").read_text())


class Merge(Folder):
    def merge(self, package, *flags):
        code, out, err = run("merge", "--package", package, "--output", self.out, *flags)
        self.assertEqual(code, 0, err)
        return out

    def logits(self, package):
        rows = self.dir / "plain.jsonl"  # no row names an adapter
        rows.write_text("".join(json.dumps({k: v for k, v in json.loads(line).items() if k != "adapter"}) + "\n" for line in ROWS.read_text("utf-8").split("\n") if line), "utf-8")
        return [json.loads(line)["logits"] for line in self.scored(package, rows).split("\n") if line]

    def close(self, package, merged, bound):
        for x, y in zip(self.logits(package), self.logits(merged), strict=True):
            for a, b in zip(x, y, strict=True):
                self.assertAlmostEqual(a, b, delta=bound)

    def test_in_fp32_rows_score_as_with_the_adapter(self):
        for package in DENSE:
            said = self.merge(PACKAGES / package, "--dtype", "fp32")
            self.assertRegex(said, r"16 golden pairs: .* 0 winners changed")
            self.close(PACKAGES / package, self.out, 2e-4)
            made = manifest(self.out)
            self.assertTrue(made.keys().isdisjoint({"adapter", "adapters"}))
            self.assertEqual(made.get("revision"), "1-merged")
            self.assertEqual({t[0] for t in read_tensors(self.out / "base").values()}, {"F32"})
            self.assertEqual(json.loads((self.out / "base/config.json").read_text())["torch_dtype"], "float32")
            code, out, err = run("inspect", "--package", self.out, "--verify")
            self.assertIn("golden pairs agree", out, err)
            shutil.rmtree(self.out)

    def test_kept_types_change_only_what_the_adapter_touches(self):
        self.merge(PACKAGES / "lora_regex")
        before, after = (read_tensors(p / "base/model.safetensors") for p in (PACKAGES / "lora_regex", self.out))
        changed = {n for n in before if before[n] != after[n]}
        self.assertEqual(before.keys(), after.keys())
        self.assertEqual(changed, {f"model.layers.{i}.{m}.weight" for i in (1, 2) for m in ("self_attn.v_proj", "mlp.up_proj")})
        self.assertEqual((self.out / "base/tokenizer.json").read_bytes(), (PACKAGES / "lora_regex/base/tokenizer.json").read_bytes())

    def test_the_base_has_no_head_but_the_trained_one(self):
        for package, name in (("lora_score", "score.weight"), ("lora_regex", None)):
            copy = self.copy(package)
            base = read_tensors(copy / "base/model.safetensors")
            hidden = json.loads((copy / "base/config.json").read_text())["hidden_size"]
            base["score.weight"] = ("F32", [1, hidden], b"\0" * 4 * hidden)
            write_tensors(copy / "base/model.safetensors", base)
            self.merge(copy)
            merged = read_tensors(self.out / "base")
            adapter = read_tensors(copy / "adapter/adapter_model.safetensors")
            trained = next((v for k, v in adapter.items() if name and k.endswith(name)), None)
            self.assertEqual(merged.get("score.weight"), trained)
            shutil.rmtree(self.out)

    def test_one_value_by_hand(self):
        package = PACKAGES / "lora_bare_rslora"
        self.merge(package, "--dtype", "fp32", "--shard-bytes", 50000)
        name = "layers.0.self_attn.q_proj"
        base, merged = (read_tensors(p / "base") for p in (package, self.out))
        self.assertGreater(len(list((self.out / "base").glob("*.safetensors"))), 1)
        lora = read_tensors(package / "adapter/adapter_model.safetensors")
        a, b = (widened(lora[f"base_model.model.{name}.lora_{m}.weight"]) for m in "AB")
        w, m = (widened(t[f"model.{name}.weight"]) for t in (base, merged))
        for row, col in ((0, 0), (3, 7), (31, 31)):
            delta = 12 / 6 ** .5 * sum(b[row * 6 + i] * a[i * 32 + col] for i in range(6))
            self.assertAlmostEqual(m[row * 32 + col], w[row * 32 + col] + delta, delta=1e-6)

    def test_a_head_that_peft_saved_becomes_a_file(self):
        self.merge(PACKAGES / "lora_score", "--dtype", "fp32")
        self.assertEqual(manifest(self.out)["head"]["file"], "head.safetensors")
        saved = read_tensors(PACKAGES / "lora_score/adapter/adapter_model.safetensors")["base_model.model.score.weight"]
        self.assertEqual(read_tensors(self.out / "head.safetensors"), {"layers.0.weight": saved})

    def test_the_adapter_that_is_asked_for(self):
        two = PACKAGES / "two_adapters"
        self.merge(two, "--adapter", "two", "--dtype", "fp32")
        self.assertEqual(manifest(self.out)["head"]["output"], "softmax_abt")
        rows = self.dir / "two.jsonl"
        rows.write_text("".join(json.dumps({"id": i, "prompt": f"p{i}", "response_a": "a", "response_b": "b" * i, "adapter": "two"}) + "\n" for i in range(9)))
        plain = self.dir / "plain.jsonl"
        plain.write_text(rows.read_text().replace(', "adapter": "two"', ""))
        for x, y in zip(self.scored(two, rows).splitlines(), self.scored(self.out, plain).splitlines(), strict=True):
            for a, b in zip(json.loads(x)["logits"], json.loads(y)["logits"], strict=True):
                self.assertAlmostEqual(a, b, delta=2e-4)
        shutil.rmtree(self.out)
        self.refused(1, ["'three'", "one, two"], "merge", "--package", two, "--output", self.out, "--adapter", "three")

    def dense_copy(self, package):
        """A copy whose base stays dense; its golden pairs would be another model's."""
        copy = self.copy(package)
        self.edit(copy / "package.json", quantization=None, golden=None)
        return copy

    def test_saved_embeddings_and_modules(self):
        copy = self.dense_copy("lora_saved_embedding")
        said = self.merge(copy, "--dtype", "fp32")
        self.assertIn("3 weights added to, 4 replaced; the LM head is a tensor of its own now", said)
        self.close(copy, self.out, 2e-4)
        self.assertEqual(len((self.out / "golden.jsonl").read_text().splitlines()), 16)
        tensors, before = read_tensors(self.out / "base"), read_tensors(copy / "base/model.safetensors")
        self.assertEqual(widened(tensors["lm_head.weight"]), widened(before["model.embed_tokens.weight"]))
        saved = read_tensors(copy / "adapter/adapter_model.safetensors")["base_model.model.model.embed_tokens.weight"]
        self.assertEqual(widened(tensors["model.embed_tokens.weight"]), widened(saved))
        self.assertIs(json.loads((self.out / "base/config.json").read_text())["tie_word_embeddings"], False)

    def test_a_tied_output_keeps_its_rows_under_an_adapted_embedding(self):
        copy = self.copy("gemma2_token_pair")
        self.edit(copy / "package.json", golden=None)
        config = copy / "adapter/adapter_config.json"
        self.edit(config, target_modules=json.loads(config.read_text())["target_modules"] + ["embed_tokens"])
        rows = read_tensors(copy / "base/model.safetensors")["model.embed_tokens.weight"][1][0]
        floats = lambda n, step: struct.pack(f"<{n}f", *[((i * step) % 97 - 48) / 200 for i in range(n)])
        self.edit_tensors(copy / "adapter/adapter_model.safetensors", lambda t: t.update({
            "base_model.model.model.embed_tokens.lora_embedding_A": ("F32", [4, rows], floats(4 * rows, 31)),
            "base_model.model.model.embed_tokens.lora_embedding_B": ("F32", [64, 4], floats(256, 17))}))
        said = self.merge(copy, "--dtype", "fp32")
        self.assertIn("of its own", said)
        self.close(copy, self.out, 2e-4)

    def test_beyond_the_tolerance_nothing_is_written(self):
        said = self.refused(1, ["tolerance", "--dtype"], "merge", "--package", PACKAGES / "lora_bare_rslora", "--output", self.out, "--tolerance", 1e-3)
        self.assertFalse(self.out.exists(), said)
        self.merge(PACKAGES / "lora_bare_rslora")

    def test_quantized_bases_are_refused_and_why(self):
        for package in ("lora", "mistral", "qwen2", "gemma2_nf4_lora"):
            self.refused(1, ["quantized", "lose", "dense base"], "merge", "--package", PACKAGES / package, "--output", self.out)
        rows = self.copy("lora_regex", "rows")
        self.edit(rows / "package.json", quantization={"scheme": "none", "embeddings": "int8_row"}, golden=None)
        self.refused(1, ["quantized (its input embedding)"], "merge", "--package", rows, "--output", self.out)
        stored = self.copy("lora_regex")
        code, _, err = run("quantize", "--input", PACKAGES / "lora_regex/base", "--output", self.dir / "q")
        self.assertEqual(code, 0, err)
        shutil.rmtree(stored / "base")
        (self.dir / "q").rename(stored / "base")
        self.refused(1, ["quantized", "config.json says so"], "merge", "--package", stored, "--output", self.out)

    def test_what_cannot_be_merged(self):
        self.refused(1, "nothing to merge", "merge", "--package", PACKAGES / "dense", "--output", self.out)
        self.refused(1, "package.json", "merge", "--package", self.dir, "--output", self.out)
        self.refused(1, "absent", "merge", "--package", self.dir / "absent", "--output", self.out)
        copy = self.copy("lora_regex")
        lines = (copy / "golden.jsonl").read_text().splitlines()
        lines[3] = json.dumps(json.loads(lines[3]) | {"logits": [5.0]})
        (copy / "golden.jsonl").write_text("\n".join(lines))
        self.refused(1, ["golden.jsonl", "recorded [5"], "merge", "--package", copy, "--output", self.out)
        copy = self.copy("lora_regex", "large")
        self.edit(copy / "package.json", golden=None)
        big = "base_model.model.model.layers.1.mlp.up_proj.lora_B.weight"
        self.edit_tensors(copy / "adapter/adapter_model.safetensors", lambda t: t.__setitem__(big, (*t[big][:2], struct.pack("<f", 1e6) * (len(t[big][2]) // 4))))
        self.refused(1, ["up_proj", "not finite as F16"], "merge", "--package", copy, "--output", self.out, "--dtype", "fp16")
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (60000, 60000))
        self.refused(1, "File too large", "merge", "--package", PACKAGES / "lora_regex", "--output", self.out, preexec_fn=limit)

    def test_usage_and_outputs(self):
        self.refused(2, "--package", "merge", "--output", self.out)
        self.refused(2, "keep|fp32|bf16|fp16", "merge", "--package", PACKAGES / "lora_regex", "--output", self.out, "--dtype", "int8")
        self.refused(1, "not empty", "merge", "--package", PACKAGES / "lora_regex", "--output", PACKAGES)
        self.assertIn("--tolerance", run("merge", "--help")[1])


if __name__ == "__main__":
    unittest.main(verbosity=1)
