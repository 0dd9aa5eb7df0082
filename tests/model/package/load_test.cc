// What loading refuses beyond package.json: heads, feature statistics, golden pairs, paths, inputs that could
// never be encoded.
#include "tests/support/refusal.h"

namespace preferd::package {
namespace {

using namespace testing_support;

template <class F>
void manifest(const PackageCopy& c, F change) {
  c.edit("package.json", change);
}
template <class F>
void head(const PackageCopy& c, F change) {
  c.edit_tensors("head.safetensors", change);
}

class BadPackage : public RefusalTest {};
TEST_P(BadPackage, IsRefused) { check(); }

INSTANTIATE_TEST_SUITE_P(
    Head, BadPackage,
    testing::Values(
        Refusal{"missing_tensor",
                "dense",
                [](const PackageCopy& c) { head(c, [](auto& file) { file.erase("layers.3.bias"); }); },
                {"head.safetensors", "missing tensors: layers.3.bias"}},
        Refusal{
            "extra_tensor",
            "dense",
            [](const PackageCopy& c) { head(c, [](auto& file) { file["layers.4.weight"] = filled({1}); }); },
            {"head.safetensors", "tensors not consumed: layers.4.weight"}},
        Refusal{"shape",
                "dense",
                [](const PackageCopy& c) {
                  head(c, [](auto& file) { file["layers.0.weight"].shape = {64, 24}; });
                },
                {"head.safetensors", "layers.0.weight is [64, 24], expected [24, 64]"}},
        Refusal{"nan",
                "dense",
                [](const PackageCopy& c) {
                  head(c, [](auto& file) { set_bits(file["layers.0.weight"], 0x7fc00000); });
                },
                {"head.safetensors", "layers.0.weight holds NaN or infinity"}},
        Refusal{"integers",
                "dense",
                [](const PackageCopy& c) {
                  head(c, [](auto& file) { file["layers.3.bias"] = {"I32", {1}, "abcd"}; });
                },
                {"head.safetensors", "layers.3.bias is I32"}},
        Refusal{"file_missing",
                "dense",
                [](const PackageCopy& c) { std::filesystem::remove(c.path("head.safetensors")); },
                {"package.json", "head.file", "head.safetensors"}},
        Refusal{"file_unsaid_and_no_adapter",
                "dense",
                [](const PackageCopy& c) { manifest(c, [](Json& j) { j["head"].erase("file"); }); },
                {"package.json", "head.file is missing"}},
        Refusal{"file_unsaid_and_no_head_in_adapter",
                "lora",
                [](const PackageCopy& c) { manifest(c, [](Json& j) { j["head"].erase("file"); }); },
                {"package.json", "head.file is missing", "adapter"}},
        Refusal{"bias_denied",
                "dense",
                [](const PackageCopy& c) {
                  manifest(c, [](Json& j) { j["head"]["layers"][0]["bias"] = false; });
                },
                {"head.safetensors", "tensors not consumed: layers.0.bias"}},
        Refusal{"input_width",
                "dense",
                [](const PackageCopy& c) { manifest(c, [](Json& j) { j["head"]["layers"][0]["in"] = 65; }); },
                {"package.json", "head.layers[0].in is 65", "64 wide"}},
        Refusal{"chain",
                "dense",
                [](const PackageCopy& c) { manifest(c, [](Json& j) { j["head"]["layers"][3]["in"] = 25; }); },
                {"package.json", "head.layers[3].in is 25", "24 wide"}},
        Refusal{"siamese_width",
                "stored_fp4",
                [](const PackageCopy& c) { manifest(c, [](Json& j) { j["head"]["layers"][0]["in"] = 64; }); },
                {"package.json", "head.layers[0].in is 64", "128 wide"}},
        Refusal{"features_width",
                "arena63",
                [](const PackageCopy& c) { manifest(c, [](Json& j) { j.erase("features"); }); },
                {"package.json", "head.layers[0].in is 127", "64 wide"}},
        Refusal{
            "output_width",
            "dense",
            [](const PackageCopy& c) { manifest(c, [](Json& j) { j["head"]["output"] = "softmax_ab"; }); },
            {"package.json", "the head's output is 1 wide", "softmax_ab"}},
        Refusal{"no_layers",
                "dense",
                [](const PackageCopy& c) { manifest(c, [](Json& j) { j["head"].erase("layers"); }); },
                {"package.json", "the head's output is 64 wide", "sigmoid_b"}},
        Refusal{"second_adapters_head",
                "two_adapters",
                [](const PackageCopy& c) {
                  c.edit_tensors("tie.safetensors", [](auto& file) { file["layers.0.bias"] = filled({2}); });
                },
                {"tie.safetensors", "layers.0.bias is [2], expected [3]"}},
        Refusal{
            "token_of_two_tokens",
            "token_pair",
            [](const PackageCopy& c) { manifest(c, [](Json& j) { j["head"]["tokens"][0] = "A Zürich"; }); },
            {"package.json", "head.tokens 'A Zürich' is not one token"}},
        Refusal{"token_of_control",
                "token_pair",
                [](const PackageCopy& c) {
                  manifest(c, [](Json& j) { j["head"]["tokens"][0] = "<|im_start|>"; });
                },
                {"package.json", "head.tokens '<|im_start|>' is not one token"}},
        Refusal{"token_empty",
                "token_pair",
                [](const PackageCopy& c) { manifest(c, [](Json& j) { j["head"]["tokens"][0] = ""; }); },
                {"package.json", "head.tokens '' is not one token"}}),
    by_case);

INSTANTIATE_TEST_SUITE_P(
    Features, BadPackage,
    testing::Values(
        Refusal{"missing",
                "arena63_v2",
                [](const PackageCopy& c) { std::filesystem::remove(c.path("features.safetensors")); },
                {"package.json", "features.file", "features.safetensors"}},
        Refusal{"columns_of_pairs",
                "arena63_v2",
                [](const PackageCopy& c) {
                  c.edit_tensors("features.safetensors",
                                 [](auto& file) { file["mean"] = file["std"] = filled({63}); });
                },
                {"features.safetensors", "mean and std, 41 finite floats"}},
        Refusal{"nan",
                "arena63_v2",
                [](const PackageCopy& c) {
                  c.edit_tensors("features.safetensors",
                                 [](auto& file) { set_bits(file["mean"], 0x7fc00000); });
                },
                {"features.safetensors", "finite"}},
        Refusal{"columns_of_one_response",
                "arena63_v2_siamese",
                [](const PackageCopy& c) {
                  manifest(c, [](Json& j) { j["features"]["scaling"] = "standard"; });
                  c.write("features.safetensors",
                          safetensors_bytes({{"mean", filled({41})}, {"std", filled({41})}}));
                },
                {"features.safetensors", "mean and std, 63 finite floats"}},
        Refusal{"two_dimensions",
                "arena63_v2",
                [](const PackageCopy& c) {
                  c.edit_tensors("features.safetensors", [](auto& file) {
                    file["mean"] = file["std"] = filled({1, 41});
                  });
                },
                {"features.safetensors", "mean and std, 41 finite floats"}},
        Refusal{"infinity",
                "arena63_v2",
                [](const PackageCopy& c) {
                  c.edit_tensors("features.safetensors",
                                 [](auto& file) { set_bits(file["std"], 0x7f800000); });
                },
                {"features.safetensors", "finite"}},
        Refusal{"negative_deviation",
                "arena63_v2",
                [](const PackageCopy& c) {
                  c.edit_tensors("features.safetensors",
                                 [](auto& file) { file["std"] = filled({41}, -1.0f); });
                },
                {"features.safetensors", "std not negative"}},
        Refusal{"extra",
                "arena63_v2",
                [](const PackageCopy& c) {
                  c.edit_tensors("features.safetensors", [](auto& file) { file["var"] = filled({41}); });
                },
                {"features.safetensors", "nothing else"}},
        Refusal{"without_std",
                "arena63_v2",
                [](const PackageCopy& c) {
                  c.edit_tensors("features.safetensors", [](auto& file) { file.erase("std"); });
                },
                {"features.safetensors", "std"}},
        Refusal{"integers",
                "arena63_v2",
                [](const PackageCopy& c) {
                  c.edit_tensors("features.safetensors", [](auto& file) {
                    file["std"] = {"I32", {41}, std::string(164, '\1')};
                  });
                },
                {"features.safetensors", "floats"}},
        Refusal{
            "projection_missing",
            "arena63_v2",
            [](const PackageCopy& c) { head(c, [](auto& file) { file.erase("feature_projection.bias"); }); },
            {"head.safetensors", "missing tensors: feature_projection.bias"}},
        Refusal{"projection_width",
                "arena63_v2",
                [](const PackageCopy& c) {
                  head(c, [](auto& file) { file["feature_projection.weight"] = filled({16, 63}); });
                },
                {"head.safetensors", "feature_projection.weight is [16, 63], expected [16, 41]"}}),
    by_case);

template <class F>
void golden(const PackageCopy& c, F change) {
  std::vector<Json> lines = read_json_lines(c.path("golden.jsonl"));
  change(lines);
  std::string text;
  for (const Json& line : lines) text += line.dump() + "\n";
  c.write("golden.jsonl", text);
}

INSTANTIATE_TEST_SUITE_P(
    GoldenPairs, BadPackage,
    testing::Values(
        Refusal{"off_by_a_little",
                "dense",
                [](const PackageCopy& c) {
                  golden(c, [](auto& l) {
                    l[7]["logits"][0] = l[7]["logits"][0].template get<double>() + 6e-4;
                  });
                },
                {"golden.jsonl", "row \"r7\"", "logits [", "recorded [", "tolerance 0.0002"},
                scorer::Golden::kVerify},
        Refusal{"logits_short",
                "dense_bf16_mean",
                [](const PackageCopy& c) { golden(c, [](auto& l) { l[0]["logits"].erase(1); }); },
                {"golden.jsonl", "row \"r0\"", "recorded ["},
                scorer::Golden::kVerify},
        Refusal{"logits_empty",
                "dense",
                [](const PackageCopy& c) { golden(c, [](auto& l) { l[0]["logits"] = Json::array(); }); },
                {"golden.jsonl", "row \"r0\""},
                scorer::Golden::kVerify},
        Refusal{"logits_long",
                "dense",
                [](const PackageCopy& c) { golden(c, [](auto& l) { l[0]["logits"].push_back(0); }); },
                {"golden.jsonl", "row \"r0\"", "recorded ["},
                scorer::Golden::kVerify},
        Refusal{"logits_missing",
                "dense",
                [](const PackageCopy& c) { golden(c, [](auto& l) { l[2].erase("logits"); }); },
                {"golden.jsonl", "line 3", "logits"},
                scorer::Golden::kVerify},
        Refusal{"logits_text",
                "dense",
                [](const PackageCopy& c) { golden(c, [](auto& l) { l[2]["logits"][0] = "1"; }); },
                {"golden.jsonl", "line 3", "logits"},
                scorer::Golden::kVerify},
        Refusal{"fifteen",
                "dense",
                [](const PackageCopy& c) { golden(c, [](auto& l) { l.pop_back(); }); },
                {"golden.jsonl", "15 pairs, expected 16 to 64"},
                scorer::Golden::kVerify},
        Refusal{"sixty_five",
                "dense",
                [](const PackageCopy& c) {
                  golden(c, [](auto& l) {
                    while (l.size() < 65) l.push_back(l[0]);
                  });
                },
                {"golden.jsonl", "65 pairs, expected 16 to 64"},
                scorer::Golden::kVerify},
        Refusal{"empty",
                "dense",
                [](const PackageCopy& c) { c.write("golden.jsonl", ""); },
                {"golden.jsonl", "0 pairs"},
                scorer::Golden::kVerify},
        Refusal{"missing",
                "dense",
                [](const PackageCopy& c) { std::filesystem::remove(c.path("golden.jsonl")); },
                {"package.json", "golden"},
                scorer::Golden::kVerify},
        Refusal{"a_folder",
                "dense",
                [](const PackageCopy& c) { manifest(c, [](Json& j) { j["golden"] = "base"; }); },
                {"package.json", "golden", "not a plain file"},
                scorer::Golden::kVerify},
        Refusal{"bad_line",
                "dense",
                [](const PackageCopy& c) { c.write("golden.jsonl", c.read("golden.jsonl") + "{\n"); },
                {"golden.jsonl", "line 17"},
                scorer::Golden::kVerify},
        Refusal{"prompt_missing",
                "dense",
                [](const PackageCopy& c) { golden(c, [](auto& l) { l[4].erase("prompt"); }); },
                {"golden.jsonl", "line 5", "prompt is missing"},
                scorer::Golden::kVerify},
        Refusal{"adapter_unknown",
                "two_adapters",
                [](const PackageCopy& c) { golden(c, [](auto& l) { l[1]["adapter"] = "three"; }); },
                {"golden.jsonl", "row \"r1\"", "adapter"},
                scorer::Golden::kVerify},
        Refusal{"adapter_number",
                "two_adapters",
                [](const PackageCopy& c) { golden(c, [](auto& l) { l[1]["adapter"] = 2; }); },
                {"golden.jsonl", "adapter"},
                scorer::Golden::kVerify},
        Refusal{"adapters_exchanged",
                "two_adapters",
                [](const PackageCopy& c) { golden(c, [](auto& l) { l[1]["adapter"] = "one"; }); },
                {"golden.jsonl", "row \"r1\""},
                scorer::Golden::kVerify},
        Refusal{"weights_changed",
                "dense",
                [](const PackageCopy& c) {
                  c.edit_tensors("base/model.safetensors",
                                 [](auto& file) { file["model.norm.weight"] = filled({64}); });
                },
                {"golden.jsonl", "row \"r0\""},
                scorer::Golden::kVerify}),
    by_case);

void outside(const PackageCopy& c, const std::string& file) {
  const std::filesystem::path from = c.path(file), to = c.path("../outside_" + std::to_string(getpid()));
  std::filesystem::remove_all(to);
  std::filesystem::rename(from, to);
  std::filesystem::create_symlink(to, from);
}

INSTANTIATE_TEST_SUITE_P(
    Paths, BadPackage,
    testing::Values(
        Refusal{"head_above",
                "dense",
                [](const PackageCopy& c) {
                  manifest(c, [](Json& j) { j["head"]["file"] = "../head.safetensors"; });
                },
                {"package.json", "head.file", "'../head.safetensors' leaves the folder"}},
        Refusal{"head_absolute",
                "dense",
                [](const PackageCopy& c) {
                  manifest(c, [](Json& j) { j["head"]["file"] = "/head.safetensors"; });
                },
                {"package.json", "head.file", "leaves the folder"}},
        Refusal{
            "head_through_the_base",
            "dense",
            [](const PackageCopy& c) { manifest(c, [](Json& j) { j["head"]["file"] = "base/../../x"; }); },
            {"package.json", "head.file", "leaves the folder"}},
        Refusal{"head_a_folder",
                "dense",
                [](const PackageCopy& c) { manifest(c, [](Json& j) { j["head"]["file"] = "base"; }); },
                {"package.json", "head.file", "not a plain file"}},
        Refusal{"head_link",
                "dense",
                [](const PackageCopy& c) { outside(c, "head.safetensors"); },
                {"package.json", "head.file", "leaves the folder"}},
        Refusal{"base_above",
                "dense",
                [](const PackageCopy& c) { manifest(c, [](Json& j) { j["base"]["path"] = "../base"; }); },
                {"package.json", "base.path", "leaves the folder"}},
        Refusal{"base_link",
                "dense",
                [](const PackageCopy& c) { outside(c, "base"); },
                {"package.json", "base.path", "leaves the folder"}},
        Refusal{"base_file_link",
                "dense",
                [](const PackageCopy& c) { outside(c, "base/config.json"); },
                {"config.json", "leaves the folder"}},
        Refusal{"weights_link",
                "dense",
                [](const PackageCopy& c) { outside(c, "base/model.safetensors"); },
                {"model.safetensors", "leaves the folder"}},
        Refusal{"base_missing",
                "dense",
                [](const PackageCopy& c) { manifest(c, [](Json& j) { j["base"]["path"] = "bass"; }); },
                {"package.json", "base.path", "bass"}},
        Refusal{
            "base_absolute_missing",
            "dense",
            [](const PackageCopy& c) { manifest(c, [](Json& j) { j["base"]["path"] = "/nowhere/base"; }); },
            {"package.json", "base.path", "/nowhere/base"}},
        Refusal{
            "adapter_above",
            "lora",
            [](const PackageCopy& c) { manifest(c, [](Json& j) { j["adapter"]["path"] = "../adapter"; }); },
            {"package.json", "adapter.path", "leaves the folder"}},
        Refusal{"adapter_absolute",
                "lora",
                [](const PackageCopy& c) {
                  manifest(c, [&](Json& j) {
                    j["adapter"]["path"] = std::filesystem::canonical(c.path("adapter")).string();
                  });
                },
                {"package.json", "adapter.path", "leaves the folder"}},
        Refusal{"adapter_link",
                "lora",
                [](const PackageCopy& c) { outside(c, "adapter"); },
                {"package.json", "adapter.path", "leaves the folder"}},
        Refusal{"adapter_missing",
                "lora",
                [](const PackageCopy& c) { manifest(c, [](Json& j) { j["adapter"]["path"] = "adaptor"; }); },
                {"package.json", "adapter.path", "adaptor"}},
        Refusal{"features_above",
                "arena63_v2",
                [](const PackageCopy& c) {
                  manifest(c, [](Json& j) { j["features"]["file"] = "../f.safetensors"; });
                },
                {"package.json", "features.file", "leaves the folder"}},
        Refusal{"golden_above",
                "dense",
                [](const PackageCopy& c) { manifest(c, [](Json& j) { j["golden"] = "../golden.jsonl"; }); },
                {"package.json", "golden", "leaves the folder"},
                scorer::Golden::kVerify},
        Refusal{"golden_absolute",
                "dense",
                [](const PackageCopy& c) { manifest(c, [](Json& j) { j["golden"] = "/etc/hostname"; }); },
                {"package.json", "golden", "leaves the folder"},
                scorer::Golden::kVerify},
        Refusal{"manifest_link",
                "dense",
                [](const PackageCopy& c) { outside(c, "package.json"); },
                {"package.json", "leaves the folder"}},
        Refusal{"manifest_missing",
                "dense",
                [](const PackageCopy& c) { std::filesystem::remove(c.path("package.json")); },
                {"no package.json here"}}),
    by_case);

INSTANTIATE_TEST_SUITE_P(
    Input, BadPackage,
    testing::Values(
        Refusal{"max_tokens_below_the_template",
                "calibrated_ratio",
                [](const PackageCopy& c) { manifest(c, [](Json& j) { j["input"]["max_tokens"] = 5; }); },
                {"package.json", "input"}},
        Refusal{"bos_that_the_tokenizer_lacks",
                "dense",
                [](const PackageCopy& c) {
                  manifest(c, [](Json& j) { j["input"]["add_bos"] = true; });
                  c.edit("base/tokenizer_config.json", [](Json& j) { j.erase("bos_token"); });
                },
                {"package.json", "input"}},
        Refusal{"chat_of_a_template_that_cannot_run",
                "dense",
                [](const PackageCopy& c) {
                  manifest(c, [](Json& j) { j["input"]["chat"] = Json::object(); });
                  c.edit("base/tokenizer_config.json",
                         [](Json& j) { j["chat_template"] = "{{ messages | nosuch }}"; });
                },
                {"package.json", "input", "chat template"}},
        Refusal{"two_sets_of_weights",
                "dense",
                [](const PackageCopy& c) {
                  c.write("base/model.safetensors.index.json", R"({"weight_map": {"a": "old.safetensors"}})");
                },
                {"/base", "two sets of weights", "model.safetensors.index.json"}},
        Refusal{"no_tokenizer",
                "dense",
                [](const PackageCopy& c) { std::filesystem::remove(c.path("base/tokenizer.json")); },
                {"/base", "tokenizer"}},
        Refusal{"broken_tokenizer",
                "dense",
                [](const PackageCopy& c) { c.write("base/tokenizer.json", "{"); },
                {"tokenizer.json"}}),
    by_case);

struct Accepted {
  const char* name;
  const char* package;
  void (*change)(const PackageCopy& copy);
};
void PrintTo(const Accepted& a, std::ostream* out) { *out << a.name; }

class GoodPackage : public testing::TestWithParam<Accepted> {};

TEST_P(GoodPackage, LoadsAndComputesTheSame) {
  const PackageCopy copy(GetParam().package);
  GetParam().change(copy);
  EXPECT_EQ(copy.refusal(scorer::Golden::kVerify), "");
}

INSTANTIATE_TEST_SUITE_P(
    All, GoodPackage,
    testing::Values(
        Accepted{"absolute_base", "dense",
                 [](const PackageCopy& c) {
                   manifest(c, [&](Json& j) {
                     j["base"]["path"] = std::filesystem::absolute(kPackages + "dense/base").string();
                   });
                 }},
        Accepted{"absolute_base_of_links", "dense",
                 [](const PackageCopy& c) {
                   const auto store = std::filesystem::absolute(kPackages + "dense/base").string() + "/";
                   for (const char* file : {"config.json", "model.safetensors", "tokenizer.json"}) {
                     std::filesystem::remove(c.path("base/") + file);
                     std::filesystem::create_symlink(store + file, c.path("base/") + file);
                   }
                   manifest(c, [&](Json& j) { j["base"]["path"] = c.path("base"); });
                 }},
        Accepted{"links_inside", "dense",
                 [](const PackageCopy& c) {
                   std::filesystem::rename(c.path("head.safetensors"), c.path("base/real"));
                   std::filesystem::create_symlink("base/real", c.path("head.safetensors"));
                   std::filesystem::rename(c.path("package.json"), c.path("base/manifest"));
                   std::filesystem::create_symlink("base/manifest", c.path("package.json"));
                 }},
        Accepted{"no_golden", "dense",
                 [](const PackageCopy& c) { manifest(c, [](Json& j) { j.erase("golden"); }); }},
        Accepted{"sixty_four_golden_pairs", "dense",
                 [](const PackageCopy& c) {
                   golden(c, [](auto& l) {
                     while (l.size() < 64) l.push_back(l[l.size() % 16]);
                   });
                 }},
        Accepted{"blank_golden_lines", "dense",
                 [](const PackageCopy& c) { c.write("golden.jsonl", c.read("golden.jsonl") + "\r\n \n\n"); }},
        Accepted{"dropout_without_tensors", "dense",
                 [](const PackageCopy& c) {
                   manifest(c, [](Json& j) {
                     j["head"]["layers"].push_back({{"type", "dropout"}, {"p", 0.5}});
                   });
                 }}),
    [](const auto& c) { return std::string(c.param.name); });

TEST(Golden, IsSkippedOnRequest) {
  const PackageCopy copy("dense");
  copy.write("golden.jsonl", "nonsense");
  EXPECT_EQ(copy.refusal(scorer::Golden::kSkip), "");
  EXPECT_NE(copy.refusal(scorer::Golden::kVerify), "");
}

}  // namespace
}  // namespace preferd::package
