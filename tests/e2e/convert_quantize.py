#!/usr/bin/env python3
"""preferd quantize: bytes as transformers and bitsandbytes write them, and what it refuses.

    convert_quantize.py BUILD_DIR FIXTURES_DIR
"""
import resource
from convert_support import *

FORMS = {"nf4": ["--scheme", "nf4"], "nf4 double": ["--double-quant"], "fp4": ["--scheme", "fp4"], "int8": ["--scheme", "int8"]}
PROJECTION = "model.layers.1.self_attn.q_proj.weight"


class Quantize(Folder):
    def quantize(self, base, *flags, out=None):
        code, _, err = run("quantize", "--input", base, "--output", out or self.out, *flags)
        self.assertEqual(code, 0, err)
        return out or self.out

    def test_bytes_are_those_of_transformers_and_bitsandbytes(self):
        known = json.loads((FIXTURES / "convert" / "quantized.json").read_text())
        self.assertGreater(sum(map(len, known.values())), 25)
        for base, forms in known.items():
            for form, expected in forms.items():
                out = self.quantize(PACKAGES / base / "base", *FORMS[form], out=self.dir / f"{base} {form}")
                self.assertEqual(digest(read_tensors(out)), expected, (base, form))

    def test_quantized_before_is_quantized_at_load(self):
        for package, flags in (("nf4_double", ["--double-quant"]), ("fp4", ["--scheme", "fp4", "--double-quant", "--embeddings", "int8_row"]),
                               ("int8", ["--scheme", "int8"]), ("nf4_wide_skip", ["--block-size", 128, "--skip", "o_proj,layers.1"]),
                               ("token_pair_tied", ["--embeddings", "nf4"]), ("qwen2", ["--double-quant"])):
            at_load = self.scored(PACKAGES / package)
            copy = self.copy(package)
            self.quantize(PACKAGES / package / "base", *flags, out=self.dir / "quantized")
            shutil.rmtree(copy / "base")
            (self.dir / "quantized").rename(copy / "base")
            self.assertEqual(self.scored(copy), at_load, package)

    def test_config_and_other_files(self):
        source = self.copy("biases") / "base"
        (source / "README.md").write_text("card")
        (source / "pytorch_model.bin").write_text("pickle")
        (source / ".hidden").write_text("x")
        (source / "original").mkdir()
        self.quantize(source, "--double-quant", "--skip", "o_proj", "--skip", "layers.1")
        self.assertEqual({p.name for p in self.out.iterdir()}, {"config.json", "model.safetensors", "README.md", "tokenizer.json", "tokenizer_config.json"})
        before, after = (json.loads((d / "config.json").read_text()) for d in (source, self.out))
        said = after.pop("quantization_config")
        self.assertEqual(after, before)
        self.assertEqual(list(after), list(before))
        self.assertEqual((said["quant_method"], said["load_in_4bit"], said["bnb_4bit_quant_type"], said["bnb_4bit_use_double_quant"]), ("bitsandbytes", True, "nf4", True))
        self.assertIn("layers.0.self_attn.o_proj", said["llm_int8_skip_modules"])
        self.assertIn("layers.1.mlp.up_proj", said["llm_int8_skip_modules"])
        self.assertIn("lm_head", said["llm_int8_skip_modules"])
        self.assertNotIn("layers.0.self_attn.q_proj", said["llm_int8_skip_modules"])
        tensors = read_tensors(self.out)
        self.assertEqual({t[0] for n, t in tensors.items() if n.endswith("o_proj.weight")}, {"BF16"})
        self.assertEqual(tensors["model.layers.0.self_attn.q_proj.weight"][0], "U8")

    def test_shards_hold_the_same(self):
        source = PACKAGES / "biases" / "base"
        whole = read_tensors(self.quantize(source, "--double-quant"))
        parts = self.quantize(source, "--double-quant", "--shard-bytes", 40000, out=self.dir / "parts")
        index = json.loads((parts / "model.safetensors.index.json").read_text())
        names = sorted(p.name for p in parts.glob("*.safetensors"))
        self.assertGreater(len(names), 2)
        self.assertEqual(names[0], f"model-00001-of-{len(names):05d}.safetensors")
        self.assertEqual(read_tensors(parts), whole)
        self.assertEqual(index["metadata"]["total_size"], sum(len(t[2]) for t in whole.values()))
        for name in names:
            for tensor in read_tensors(parts / name):
                self.assertEqual(index["weight_map"].pop(tensor), name)
        self.assertEqual(index["weight_map"], {})
        again = self.quantize_input_of_shards(source)
        self.assertEqual(read_tensors(again), whole)

    def quantize_input_of_shards(self, source):
        sharded = pathlib.Path(shutil.copytree(source, self.dir / "sharded"))
        tensors = read_tensors(sharded / "model.safetensors")
        (sharded / "model.safetensors").unlink()
        store, index = self.dir / "store", {}
        store.mkdir()
        for i, part in enumerate([sorted(tensors)[::2], sorted(tensors)[1::2]]):
            write_tensors(store / f"blob{i}", {n: tensors[n] for n in part})
            (sharded / f"part-{i}.safetensors").symlink_to(store / f"blob{i}")  # as a hub's cache has them
            index |= {n: f"part-{i}.safetensors" for n in part}
        (sharded / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
        return self.quantize(sharded, "--double-quant", out=self.dir / "again")

    def test_the_same_bytes_with_any_number_of_threads(self):
        one = self.quantize(PACKAGES / "qwen2" / "base", "--threads", 1)
        many = self.quantize(PACKAGES / "qwen2" / "base", "--threads", 5, out=self.dir / "many")
        self.assertEqual((one / "model.safetensors").read_bytes(), (many / "model.safetensors").read_bytes())

    def hostile(self, words, change=None, scheme="nf4", **config):
        source = self.copy("biases", "hostile") / "base"
        if change:
            self.edit_tensors(source / "model.safetensors", change)
        if config:
            self.edit(source / "config.json", **config)
        self.refused(1, words, "quantize", "--input", source, "--output", self.out, "--scheme", scheme)
        shutil.rmtree(self.dir / "hostile")

    def test_bad_inputs_are_refused_by_name(self):
        def put(name, tensor): return lambda t: t.__setitem__(name, tensor)
        def first(value): return lambda t: t.__setitem__(PROJECTION, (*t[PROJECTION][:2], value + t[PROJECTION][2][2:]))
        self.hostile([PROJECTION, "NaN or infinity"], first(b"\xc0\x7f"))
        self.hostile(["model.norm.weight", "NaN or infinity"], put("model.norm.weight", ("BF16", [64], b"\x80\x7f" * 64)))
        self.hostile([PROJECTION, "beyond fp16"], first(b"\x80\x7d"), scheme="int8")
        self.hostile(["missing", "layers.1.self_attn.q_proj.weight"], lambda t: t.pop(PROJECTION))
        self.hostile(["model.extra.weight", "no part of llama"], put("model.extra.weight", ("F32", [1], b"\0" * 4)))
        self.hostile([PROJECTION, "[64, 32]", "[64, 64]"], put(PROJECTION, ("BF16", [64, 32], b"\0" * 4096)))
        self.hostile([PROJECTION, "I8"], put(PROJECTION, ("I8", [64, 64], b"\0" * 4096)))
        self.hostile([PROJECTION, "F64"], put(PROJECTION, ("F64", [64, 64], b"\0" * 32768)))
        self.hostile("quantized already", put(PROJECTION + ".absmax", ("F32", [64], b"\0" * 256)))
        self.hostile("quantized already", quantization_config={"quant_method": "gptq"})
        self.hostile("mamba", model_type="mamba")
        self.hostile(["missing", "layers.3."], num_hidden_layers=4)
        self.hostile("hidden_act", hidden_act="relu")

    def test_bad_files(self):
        for package in ("stored_nf4", "stored_fp4", "stored_int8"):
            self.refused(1, "quantized already", "quantize", "--input", PACKAGES / package / "base", "--output", self.out)
        self.refused(1, ["config.json", "bilstm", "no linear layers"], "quantize", "--input", PACKAGES / "bilstm" / "base", "--output", self.out)
        self.refused(1, "absent", "quantize", "--input", self.dir / "absent", "--output", self.out)
        source = self.copy("dense") / "base"
        weights = (source / "model.safetensors").read_bytes()
        (source / "model.safetensors").write_bytes(weights[:-100])
        self.refused(1, ["model.safetensors", "truncated"], "quantize", "--input", source, "--output", self.out)
        (source / "model.safetensors").unlink()
        self.refused(1, "neither model.safetensors nor", "quantize", "--input", source, "--output", self.out)
        (source / "config.json").write_text('{"model_type": "llama", "model_type": "llama"}')
        self.refused(1, "config.json", "quantize", "--input", source, "--output", self.out)

    def test_outputs_that_are_there(self):
        source = PACKAGES / "dense" / "base"
        self.out.mkdir()
        self.quantize(source)  # an empty one is fine
        self.refused(1, ["out", "not empty"], "quantize", "--input", source, "--output", self.out)
        self.refused(1, "not empty", "quantize", "--input", source, "--output", f"{self.out}/")
        file = self.dir / "file"
        file.write_text("x")
        self.refused(1, "not a folder", "quantize", "--input", source, "--output", file)
        self.assertEqual(file.read_text(), "x")
        self.refused(1, "not empty", "quantize", "--input", source, "--output", source)

    def test_a_full_disk(self):
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000))
        self.refused(1, ["model.safetensors", "cannot write", "File too large"], "quantize", "--input", PACKAGES / "biases" / "base", "--output", self.out, preexec_fn=limit)

    def test_usage(self):
        source = PACKAGES / "dense" / "base"
        for flags, word in ((["--block-size", 48], "power of two"), (["--block-size", 16], "32"), (["--scheme", "int8", "--double-quant"], "nothing for scheme int8"),
                            (["--scheme", "gguf"], "nf4|fp4|int8"), (["--scheme", "fp4", "--embeddings", "nf4"], "scheme nf4 only")):
            self.refused(2, word, "quantize", "--input", source, "--output", self.out, *flags)
        self.refused(2, "--output", "quantize", "--input", source)
        self.refused(1, ["nonsense", "no linear"], "quantize", "--input", source, "--output", self.out, "--skip", "q_proj,nonsense")
        code, out, _ = run("quantize", "--help")
        self.assertEqual(code, 0)
        for flag in ("--scheme", "--double-quant", "--block-size", "--skip", "--embeddings", "--shard-bytes"):
            self.assertIn(flag, out)


if __name__ == "__main__":
    unittest.main(verbosity=1)
