#!/usr/bin/env python3
"""A reward model from a model directory and rows alone: what is trained, what is served, what transformers is given.

    trainer_reward.py BUILD_DIR FIXTURES_DIR
"""
import shutil, subprocess, unittest

from trainer_support import *

PUBLISHED = FIXTURES / "published"
TURNS = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
CHATS = [{**r, "prompt": TURNS + [{"role": "user", "content": r["prompt"]}]} for r in ROWS[60:90]]


def reward(*arguments, env={}):
    p = subprocess.run([TRAINER, "train", *map(str, arguments)], cwd=ROOT, env=CLEAN | env, capture_output=True, text=True, timeout=120)
    return p.returncode, p.stderr


def scored(package, rows):
    p = subprocess.run([PREFERD, "score", "--quiet", "--package", package, "--input", rows, "--output", "-"], env=EXACT,
                       capture_output=True, text=True, timeout=120)
    assert p.returncode == 0, p.stderr
    return {r["id"]: r["logits"] for r in map(json.loads, p.stdout.splitlines())}


class Reward(Folder):
    def trained(self, base, *more, data=None):
        code, err = reward(f"base={base}", f"data={data or TRAIN[0]}", f"output={self.out}", "threads=1", *more)
        self.assertEqual(code, 0, err)
        return err

    def test_two_arguments_make_a_package_and_what_transformers_loads(self):
        for method in ("lora", "full"):
            with self.subTest(method):
                self.out = self.dir / method
                err = self.trained(PUBLISHED / "qwen2_pad", f"method={method}", "data.valid_share=0.3", "optimizer.lr=0.01")
                self.assertIn(f"for transformers and PEFT: {self.out}/huggingface", err)
                package = json.loads((self.out / "best/package.json").read_text())
                self.assertEqual((package["input"]["layout"], package["head"]["skip_token"], package["name"]),
                                 ("conversation", 318, "qwen2_pad-reward"))
                best, theirs = (scored(self.out / name, TRAIN[0]) for name in ("best", "huggingface"))
                self.assertEqual(best, theirs)
                self.assertNotEqual(best, scored(PUBLISHED / "qwen2_pad", TRAIN[0]))

    def test_what_transformers_loads_is_named_as_its_classes_name_it(self):
        self.trained(PUBLISHED / "llama_score", "loop.max_steps=1")
        theirs = self.out / "huggingface"
        config, names = json.loads((theirs / "adapter_config.json").read_text()), tensors(theirs / "adapter_model.safetensors")
        self.assertEqual((config["task_type"], config["modules_to_save"]), ("SEQ_CLS", ["score"]))
        self.assertEqual(config["base_model_name_or_path"], str(PUBLISHED / "llama_score"))
        self.assertIn("base_model.model.score.weight", names)
        self.assertIn("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", names)
        self.assertEqual((theirs / "chat_template.jinja").read_text(), (PUBLISHED / "llama_score/chat_template.jinja").read_text())
        shutil.rmtree(self.out)
        self.trained(PUBLISHED / "llama_score", "loop.max_steps=1", "method=full")
        config = json.loads((theirs / "config.json").read_text())
        self.assertEqual((config["architectures"], config["id2label"], config["dtype"]),
                         (["LlamaForSequenceClassification"], {"0": "LABEL_0"}, "float32"))
        names = tensors(theirs / "model.safetensors")
        self.assertIn("score.weight", names)
        self.assertFalse([n for n in names if n.startswith("lm_head")])

    def test_conversations_are_trained_as_they_are_served(self):
        rows = self.rows("chats.jsonl", CHATS)
        self.trained(PUBLISHED / "llama_score", "data.valid_share=0.5", "loop.max_steps=2", data=rows)
        said = [json.loads(line) for line in (self.out / "predictions.jsonl").read_text().splitlines()]
        served = scored(self.out / "best", rows)
        self.assertGreater(len(said), 4)
        for row in said:
            self.assertEqual(row["logits"], served[row["id"]])

    def test_a_run_goes_on_from_a_reward_model(self):
        self.trained(PUBLISHED / "qwen2_pad", "loop.max_steps=1", "package.input.date=2001-02-03")
        second = self.dir / "second"
        code, err = reward(f"start={self.out}/best", f"data={TRAIN[0]}", f"output={second}", "loop.max_steps=1", "threads=1")
        self.assertEqual(code, 0, err)
        for name in ("chat_template.jinja", "package.json"):
            ours, theirs = ((at / "best" / name).read_text() for at in (self.out, second))
            if name.endswith("json"):
                ours, theirs = (json.loads(text)["input"] for text in (ours, theirs))
                self.assertEqual(ours["date"], "2001-02-03")
            self.assertEqual(ours, theirs)
        self.assertFalse((second / "huggingface").exists())

    def test_a_finished_run_writes_it_anew(self):
        self.trained(PUBLISHED / "qwen2_pad", "loop.max_steps=2", "huggingface=false", "data.valid_share=0.3")
        self.assertFalse((self.out / "huggingface").exists())
        self.trained(PUBLISHED / "qwen2_pad", "loop.max_steps=2", "data.valid_share=0.3", "--resume")
        self.assertEqual(scored(self.out / "best", TRAIN[0]), scored(self.out / "huggingface", TRAIN[0]))

    def test_refusals(self):
        qwen, data = f"base={PUBLISHED}/qwen2_pad", f"data={TRAIN[0]}"
        for words, *arguments in [
                ("there is nothing to train, expected --config FILE, or base=DIR data=FILE",),
                ("base is 'nowhere', expected a model directory", "base=nowhere", data),
                ("base and start are both set", qwen, data, "start=default"),
                ("package.base.path another", qwen, data, "package.base.path=\"elsewhere\""),
                ("there is no chat template", f"base={FIXTURES}/packages/dense/base", data),
                ("have no package.features", qwen, data, "package.features={set=\"arena63_v2\"}",
                 "package.head.layers=[{type=\"linear\",in=73,out=1,bias=false}]"),
                ("have no package.head.pooling but last", f"base={PUBLISHED}/llama_score", data, "package.head.pooling=mean"),
                ("have no package.head.layers but one linear with out 1 and bias false", qwen, data,
                 "package.head.layers=[{type=\"linear\",in=32,out=1}]"),
                ("have no method head", qwen, data, "method=head"),
                ("--run a names a run of a file, and there is no --config", qwen, data, "--run", "a")]:
            with self.subTest(words):
                code, err = reward(*arguments, f"output={self.out}") if arguments else reward()
                self.assertEqual(code, 2, err)
                self.assertIn(words, err.rstrip().split("\n")[-1])


unittest.main()
