#!/usr/bin/env python3
"""deploy/convert_torch_head.py without torch: names, shapes, and what it refuses; the head it describes is one that preferd loads.

    torch_head.py BUILD_DIR FIXTURES_DIR
"""
from convert_support import *

sys.path.insert(0, str(FIXTURES.parent.parent / "deploy"))
sys.dont_write_bytecode = True
import convert_torch_head as convert

SEQUENTIAL = {"0.weight": (24, 80), "0.bias": (24,), "3.weight": (12, 24), "3.bias": (12,), "6.weight": (1, 12), "6.bias": (1,)}
FEATURES = {"weight": (16, 63), "bias": (16,)}


class Mapping(Folder):
    def test_names(self):
        self.assertEqual(convert.mapping(SEQUENTIAL, FEATURES), {
            "layers.0.weight": ("classifier_state_dict", "0.weight"), "layers.0.bias": ("classifier_state_dict", "0.bias"),
            "layers.3.weight": ("classifier_state_dict", "3.weight"), "layers.3.bias": ("classifier_state_dict", "3.bias"),
            "layers.6.weight": ("classifier_state_dict", "6.weight"), "layers.6.bias": ("classifier_state_dict", "6.bias"),
            "feature_projection.weight": ("feature_fc_state_dict", "weight"), "feature_projection.bias": ("feature_fc_state_dict", "bias")})
        self.assertEqual(list(convert.mapping({"0.weight": (1, 64)}, None)), ["layers.0.weight"])

    def test_the_section_is_one_that_loads(self):
        section = convert.head_section(SEQUENTIAL, FEATURES, "head.safetensors")
        self.assertEqual([l["type"] for l in section["layers"]], ["linear", "relu", "dropout", "linear", "relu", "dropout", "linear"])
        copy = self.copy("arena63")
        self.edit(copy / "package.json", head=section, golden=None)
        floats = lambda shape: ("F32", list(shape), b"".join(struct.pack("<f", (i % 17 - 8) / 40) for i in range(shape[0] * (shape[1] if len(shape) > 1 else 1))))
        parts = {"classifier_state_dict": SEQUENTIAL, "feature_fc_state_dict": FEATURES}
        write_tensors(copy / "head.safetensors", {ours: floats(parts[p][n]) for ours, (p, n) in convert.mapping(SEQUENTIAL, FEATURES).items()})
        code, out, err = run("inspect", "--package", copy, "--verify")
        self.assertEqual(code, 0, err)
        self.assertIn("every tensor is accounted for", out)

    def wrong(self, words, classifier=SEQUENTIAL, features=FEATURES, **more):
        with self.assertRaises(convert.Refused) as caught:
            convert.mapping(classifier, features)
            convert.head_section(classifier, features, "head.safetensors", **more)
        for word in [words] if isinstance(words, str) else words:
            self.assertIn(word, str(caught.exception))

    def test_what_it_refuses(self):
        without = lambda *names: {n: s for n, s in SEQUENTIAL.items() if n not in names}
        self.wrong("tensor 5", SEQUENTIAL | {5: (1, 2)})
        self.wrong("lstm.weight", SEQUENTIAL | {"lstm.weight": (1, 2)})
        self.wrong(["3.weight", "missing"], without("3.weight"))
        self.wrong(["3.weight", "matrix"], SEQUENTIAL | {"3.weight": (12,)})
        self.wrong(["3.bias", "[12]"], SEQUENTIAL | {"3.bias": (11,)})
        self.wrong(["layer 0 gives 24", "takes 23"], SEQUENTIAL | {"3.weight": (12, 23)})
        self.wrong("index 3", without("0.weight", "0.bias"))
        self.wrong("neighbours", {"0.weight": (4, 80), "1.weight": (1, 4)})
        self.wrong("empty", {})
        self.wrong("feature_fc_state_dict", features={"weight": (16, 63)})
        self.wrong("no more than", SEQUENTIAL | {"0.weight": (24, 16)})
        self.wrong(["gives 1", "softmax_ab"], output="softmax_ab")
        for checkpoint, word in (({"epoch": 1}, "epoch"), ([], "list"), ({"classifier_state_dict": {}, "feature_fc_state_dict": 3}, "feature_fc_state_dict")):
            with self.assertRaises(convert.Refused) as caught:
                convert.parts_of(checkpoint, "x.pt")
            self.assertIn(word, str(caught.exception))

    def test_the_command_says_what_is_wrong_in_one_line(self):
        script = FIXTURES.parent.parent / "deploy" / "convert_torch_head.py"
        p = subprocess.run([sys.executable, "-B", script, self.dir / "absent.pt", self.dir / "head.safetensors"], capture_output=True, text=True)
        self.assertEqual(p.returncode, 1)
        self.assertRegex(p.stderr, r"^error: .*(not installed|no such file)")


if __name__ == "__main__":
    unittest.main(verbosity=1)
