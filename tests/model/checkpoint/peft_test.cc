// PEFT adapters: what is refused, what PEFT writes in several ways that must load, and that strictness knows
// each tensor by name.
#include "tests/support/refusal.h"

namespace preferd::checkpoint {
namespace {

using namespace testing_support;

constexpr const char* kFile = "adapter/adapter_model.safetensors";
constexpr const char* kConfig = "adapter/adapter_config.json";
const std::string kQuery = "base_model.model.model.layers.0.self_attn.q_proj.";

template <class F>
void tensors(const PackageCopy& c, F change) {
  c.edit_tensors(kFile, change);
}
template <class F>
void config(const PackageCopy& c, F change) {
  c.edit(kConfig, change);
}

constexpr const char* kTable = "model.embed_tokens.weight";

// The base's own table of the vocabulary.
TestTensor table_of(const PackageCopy& c) {
  TestTensor table;
  c.edit_tensors("base/model.safetensors", [&](auto& file) { table = file.at(kTable); });
  return table;
}

class BadAdapter : public RefusalTest {};
TEST_P(BadAdapter, IsRefused) { check(); }

INSTANTIATE_TEST_SUITE_P(
    Tensors, BadAdapter,
    testing::Values(
        Refusal{"missing_a",
                "lora",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { file.erase(kQuery + "lora_A.weight"); });
                },
                {kFile, "missing model.layers.0.self_attn.q_proj.lora_A.weight"}},
        Refusal{"missing_b",
                "lora",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { file.erase(kQuery + "lora_B.weight"); });
                },
                {kFile, "missing model.layers.0.self_attn.q_proj.lora_B.weight"}},
        Refusal{"missing_saved_norm",
                "lora_saved_norm",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { file.erase("base_model.model.model.norm.weight"); });
                },
                {kFile, "missing model.norm.weight"}},
        Refusal{"extra",
                "lora",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) {
                    file["base_model.model.model.layers.0.mlp.extra.lora_A.weight"] = filled({4, 64});
                  });
                },
                {kFile, "not consumed model.layers.0.mlp.extra.lora_A.weight"}},
        Refusal{"extra_unnamed_saved",
                "lora",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { file["base_model.model.model.norm.weight"] = filled({64}); });
                },
                {kFile, "not consumed model.norm.weight"}},
        Refusal{"extra_module",
                "lora_bare_rslora",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["target_modules"] = {"q_proj"}; }); },
                {kFile, "not consumed", "v_proj"}},
        Refusal{"too_few_modules",
                "lora_bare_rslora",
                [](const PackageCopy& c) {
                  config(c, [](Json& j) { j["target_modules"] = {"q_proj", "v_proj", "o_proj"}; });
                },
                {kFile, "missing", "o_proj"}},
        Refusal{"named_twice",
                "lora",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) {
                    file[kQuery + "lora_A.default.weight"] = file[kQuery + "lora_A.weight"];
                  });
                },
                {kFile, "two tensors are named", "q_proj.lora_A.weight"}},
        Refusal{"resized_vocabulary",
                "lora",
                [](const PackageCopy& c) {
                  const TestTensor table = table_of(c);
                  tensors(c, [&](auto& file) {
                    file[std::string("base_model.model.") + kTable] =
                        filled({table.shape[0] + 1, table.shape[1]});
                  });
                },
                {kFile, "embed_tokens.weight has", "the vocabulary was resized"}},
        Refusal{
            "initialisation_that_changes_the_base",
            "lora",
            [](const PackageCopy& c) {
              config(c, [](Json& j) { j["init_lora_weights"] = "pissa_niter_4"; });
            },
            {kConfig, "init_lora_weights is 'pissa_niter_4'", "path_initial_model_for_weight_conversion"}},
        Refusal{"without_the_strip",
                "lora",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { file["model.layers.0.x.lora_A.weight"] = filled({4, 64}); });
                },
                {kFile, "does not start with base_model.model."}},
        Refusal{"rank",
                "lora",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["r"] = 5; }); },
                {kFile, "is [4, ", "expected [5, "}},
        Refusal{"rank_of_one_pattern",
                "lora_patterns",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["rank_pattern"]["q_proj"] = 3; }); },
                {kFile, "q_proj.lora_A.weight is [2, 32], expected [3, 32]"}},
        Refusal{"another_base",
                "lora",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) {
                    for (auto& [name, x] : file)
                      if (name.ends_with("q_proj.lora_A.weight")) x = filled({4, 128});
                  });
                },
                {kFile, "q_proj.lora_A.weight is [4, 128], expected [4, 64]", "another base"}},
        Refusal{"layers_cut_below_the_adapter",
                "lora",
                [](const PackageCopy& c) {
                  c.edit("package.json", [](Json& j) { j["base"]["max_layers"] = 2; });
                },
                {kFile, "not consumed model.layers.2."}},
        Refusal{"saved_shape",
                "lora_saved_norm",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { file["base_model.model.model.norm.weight"] = filled({16}); });
                },
                {kFile, "model.norm.weight is [16], expected [32]"}},
        Refusal{"nan",
                "lora_bare_rslora",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { set_bits(file.begin()->second, 0x7fc00000); });
                },
                {kFile, "holds NaN or infinity"}},
        Refusal{"infinity_bf16",
                "lora",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { set_bits(file[kQuery + "lora_B.weight"], 0x7f80); });
                },
                {kFile, "q_proj.lora_B.weight holds NaN or infinity"}},
        Refusal{"nan_in_saved_head",
                "lora_score",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { set_bits(file["base_model.model.score.weight"], 0x7fc00000); });
                },
                {kFile, "score.weight holds NaN or infinity"}},
        Refusal{"integers",
                "lora",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) {
                    file[kQuery + "lora_A.weight"] = {"I8", {4, 64}, std::string(256, 'x')};
                  });
                },
                {kFile, "q_proj.lora_A.weight is I8, expected floating point"}},
        Refusal{"truncated",
                "lora",
                [](const PackageCopy& c) { c.write(kFile, c.read(kFile).substr(0, 4000)); },
                {kFile}},
        Refusal{"file_missing",
                "lora",
                [](const PackageCopy& c) { std::filesystem::remove(c.path(kFile)); },
                {kFile}},
        Refusal{"head_beside_head_file",
                "lora",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { file["base_model.model.score.weight"] = filled({1, 64}); });
                },
                {"head.file", "score.weight"}},
        Refusal{"head_missing",
                "lora_score",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { file.erase("base_model.model.score.weight"); });
                },
                {"head.file is missing", "holds no head"}},
        Refusal{"head_shape",
                "lora_score",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { file["base_model.model.score.weight"] = filled({2, 64}); });
                },
                {"is [2, 64], expected [3, 64]"}},
        Refusal{"head_extra",
                "lora_score",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { file["base_model.model.score.bias"] = filled({3}); });
                },
                {"tensors not consumed", "bias"}},
        Refusal{"head_of_token_pair",
                "token_pair",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { file["base_model.model.score.weight"] = filled({2, 64}); });
                },
                {"token_pair takes no head"}}),
    by_case);

INSTANTIATE_TEST_SUITE_P(
    Config, BadAdapter,
    testing::Values(
        Refusal{"missing",
                "lora",
                [](const PackageCopy& c) { std::filesystem::remove(c.path(kConfig)); },
                {kConfig}},
        Refusal{"key_twice",
                "lora",
                [](const PackageCopy& c) { c.replace(kConfig, "{", R"({"r": 4,)"); },
                {kConfig, "a key appears twice"}},
        Refusal{"no_lora",
                "lora",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["peft_type"] = "IA3"; }); },
                {kConfig, "peft_type"}},
        Refusal{"dora_without_lengths",
                "lora",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["use_dora"] = true; }); },
                {kFile, "missing", "lora_magnitude_vector"}},
        Refusal{"dora_of_the_embedding",
                "lora",
                [](const PackageCopy& c) {
                  config(c, [](Json& j) {
                    j["use_dora"] = true;
                    j["target_modules"].push_back("embed_tokens");
                  });
                },
                {kConfig, "use_dora is true for model.embed_tokens, which is no linear layer of the body"}},
        Refusal{"bias_all",
                "lora",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["bias"] = "all"; }); },
                {kConfig, "bias = 'all' is not supported"}},
        Refusal{"lora_bias",
                "lora",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["lora_bias"] = true; }); },
                {kConfig, "lora_bias"}},
        Refusal{"fan_in_fan_out",
                "lora",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["fan_in_fan_out"] = true; }); },
                {kConfig, "fan_in_fan_out"}},
        Refusal{"layer_replication",
                "lora",
                [](const PackageCopy& c) { config(c, [](Json& j) {
                                             j["layer_replication"] = {{0, 2}};
                                           }); },
                {kConfig, "layer_replication"}},
        Refusal{"target_parameters",
                "lora",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["target_parameters"] = {"x"}; }); },
                {kConfig, "target_parameters"}},
        Refusal{"trainable_tokens",
                "lora",
                [](const PackageCopy& c) {
                  config(c, [](Json& j) { j["trainable_token_indices"] = {1, 2}; });
                },
                {kConfig, "trainable_token_indices"}},
        Refusal{"alora",
                "lora",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["alora_invocation_tokens"] = {1}; }); },
                {kConfig, "alora_invocation_tokens"}},
        Refusal{"of_the_future",
                "lora",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["use_qora"] = true; }); },
                {kConfig, "use_qora"}},
        Refusal{"r_zero",
                "lora",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["r"] = 0; }); },
                {kConfig, "r is 0, expected an integer in 1..1024"}},
        Refusal{"r_huge",
                "lora",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["r"] = 1025; }); },
                {kConfig, "r is 1025"}},
        Refusal{"alpha_text",
                "lora",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["lora_alpha"] = "8"; }); },
                {kConfig, "lora_alpha is '8', expected a number"}},
        Refusal{"rslora_text",
                "lora",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["use_rslora"] = "yes"; }); },
                {kConfig, "use_rslora is 'yes'"}},
        Refusal{"no_targets",
                "lora",
                [](const PackageCopy& c) { config(c, [](Json& j) { j.erase("target_modules"); }); },
                {kConfig, "target_modules is missing"}},
        Refusal{"targets_number",
                "lora",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["target_modules"] = 7; }); },
                {kConfig, "target_modules is 7"}},
        Refusal{"targets_match_nothing",
                "lora",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["target_modules"] = {"query"}; }); },
                {kConfig, "matches no module"}},
        Refusal{"targets_a_norm",
                "lora",
                [](const PackageCopy& c) {
                  config(c, [](Json& j) { j["target_modules"].push_back("input_layernorm"); });
                },
                {kConfig, "input_layernorm", "no linear layer"}},
        Refusal{"targets_bad_regex",
                "lora_regex",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["target_modules"] = ".*("; }); },
                {kConfig}},
        Refusal{"rank_pattern_zero",
                "lora_patterns",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["rank_pattern"]["q_proj"] = 0; }); },
                {kConfig, "rank_pattern.q_proj"}},
        Refusal{"rank_pattern_list",
                "lora_patterns",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["rank_pattern"] = {"q_proj"}; }); },
                {kConfig, "rank_pattern is an array, expected an object"}},
        Refusal{"alpha_pattern_text",
                "lora_patterns",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["alpha_pattern"]["v_proj"] = "20"; }); },
                {kConfig, "alpha_pattern.v_proj"}},
        Refusal{"layers_text",
                "lora_layers",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["layers_to_transform"] = {"0"}; }); },
                {kConfig, "layers_to_transform"}},
        Refusal{"layers_pattern_alone",
                "lora",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["layers_pattern"] = "layers"; }); },
                {kConfig, "layers_pattern stands without layers_to_transform"}}),
    by_case);

struct Accepted {
  const char* name;
  const char* package;
  void (*change)(const PackageCopy& copy);
};
void PrintTo(const Accepted& a, std::ostream* out) { *out << a.name; }

class GoodAdapter : public testing::TestWithParam<Accepted> {};

TEST_P(GoodAdapter, LoadsAndComputesTheSame) {
  const PackageCopy copy(GetParam().package);
  GetParam().change(copy);
  EXPECT_EQ(copy.refusal(scorer::Golden::kVerify), "");
}

INSTANTIATE_TEST_SUITE_P(
    All, GoodAdapter,
    testing::Values(
        Accepted{"fp32_of_bf16", "lora",
                 [](const PackageCopy& c) {
                   tensors(c, [](auto& file) {
                     for (auto& [n, x] : file) x = as_f32(x);
                   });
                 }},
        Accepted{"trained_on_the_bare_model", "lora",
                 [](const PackageCopy& c) {
                   tensors(c, [](auto& file) {
                     TestTensors bare;
                     for (auto& [name, x] : file) bare["base_model.model." + name.substr(23)] = x;
                     file = bare;
                   });
                 }},
        Accepted{
            "names_of_a_raw_state_dict", "lora_score",
            [](const PackageCopy& c) {
              tensors(c, [](auto& file) {
                TestTensors raw;
                for (auto& [name, x] : file) {
                  const std::size_t lora = name.rfind(".weight");
                  const bool head = name.ends_with("score.weight");
                  raw[name.substr(0, lora) + (head ? ".modules_to_save.default" : ".default") + ".weight"] =
                      x;
                  if (head) raw[name.substr(0, lora) + ".original_module.weight"] = filled(x.shape, 3.0f);
                }
                file = raw;
              });
            }},
        Accepted{"table_of_the_base_beside_an_adapter_on_it", "lora",
                 [](const PackageCopy& c) {
                   const TestTensor table = table_of(c);
                   config(c, [](Json& j) { j["target_modules"].push_back("embed_tokens"); });
                   tensors(c, [&](auto& file) {
                     const std::string embed = "base_model.model.model.embed_tokens.";
                     const std::int64_t r = file[kQuery + "lora_A.weight"].shape[0];
                     file[embed + "lora_embedding_A"] = filled({r, table.shape[0]});
                     file[embed + "lora_embedding_B"] = filled({table.shape[1], r}, 0.0f);
                     file[embed + "base_layer.weight"] = table;
                   });
                 }},
        Accepted{"table_that_no_list_names", "lora",
                 [](const PackageCopy& c) {
                   const TestTensor table = table_of(c);
                   tensors(c, [&](auto& file) { file[std::string("base_model.model.") + kTable] = table; });
                 }},
        Accepted{"lm_head_that_no_head_reads", "lora",
                 [](const PackageCopy& c) {
                   tensors(c, [](auto& file) { file["base_model.model.lm_head.weight"] = filled({3, 64}); });
                 }},
        Accepted{"switched_off_extras", "lora",
                 [](const PackageCopy& c) {
                   config(c, [](Json& j) {
                     j["use_qora"] = false;
                     j["layer_replication"] = nullptr;
                     j["target_parameters"] = Json::array();
                     j["trainable_token_indices"] = nullptr;
                     j["exotic"] = "none";
                     j["rank_pattern"] = Json::object();
                     j["exclude_modules"] = nullptr;
                   });
                 }},
        Accepted{"regex_for_a_list", "lora_bare_rslora",
                 [](const PackageCopy& c) {
                   config(c, [](Json& j) { j["target_modules"] = R"(layers\.\d+\.self_attn\.(q|v)_proj)"; });
                 }},
        Accepted{"excluded_modules", "lora_bare_rslora",
                 [](const PackageCopy& c) {
                   config(c, [](Json& j) {
                     j["target_modules"] = {"q_proj", "v_proj", "o_proj"};
                     j["exclude_modules"] = {"o_proj"};
                   });
                 }},
        Accepted{"one_name_of_each_layer", "lora_layers",
                 [](const PackageCopy& c) {
                   config(c, [](Json& j) {
                     j["target_modules"] = Json::array();
                     for (const char* layer : {"0", "2"})
                       for (const char* m : {"self_attn.k_proj", "mlp.down_proj"})
                         j["target_modules"].push_back("layers." + std::string(layer) + "." + m);
                     j.erase("layers_to_transform");
                   });
                 }},
        Accepted{"layers_by_pattern", "lora_layers",
                 [](const PackageCopy& c) { config(c, [](Json& j) { j["layers_pattern"] = "layers"; }); }},
        Accepted{"head_called_classifier", "lora_score",
                 [](const PackageCopy& c) {
                   tensors(c, [](auto& file) {
                     file["base_model.model.classifier.weight"] = file["base_model.model.score.weight"];
                     file.erase("base_model.model.score.weight");
                   });
                   config(c, [](Json& j) { j["modules_to_save"] = {"classifier"}; });
                 }},
        Accepted{"head_of_a_sequential", "lora_score",
                 [](const PackageCopy& c) {
                   tensors(c, [](auto& file) {
                     file["base_model.model.score.1.weight"] = file["base_model.model.score.weight"];
                     file.erase("base_model.model.score.weight");
                   });
                   c.edit("package.json", [](Json& j) {
                     j["head"]["layers"].insert(j["head"]["layers"].begin(),
                                                Json{{"type", "dropout"}, {"p", 0.1}});
                   });
                 }}),
    [](const auto& c) { return std::string(c.param.name); });

// fp16 and bf16 round: the answer is the one of the rounded values, which fp32 holds exactly.
TEST(AdapterTypes, AreWidenedExactly) {
  for (const char* dtype : {"F16", "BF16"}) {
    const PackageCopy narrow("lora_bare_rslora"), wide("lora_bare_rslora");
    const auto type = *quant::parse_dtype(dtype);
    const auto round = [&](const PackageCopy& c, bool keep) {
      tensors(c, [&](auto& file) {
        for (auto& [name, x] : file) {
          std::string half;
          for (const float v : values_of(x)) {
            const std::uint16_t b = type == quant::DType::kBF16 ? quant::to_bf16(v) : quant::to_f16(v);
            half.append(reinterpret_cast<const char*>(&b), 2);
          }
          x = {dtype, x.shape, half};
          if (!keep) x = as_f32(x);
        }
      });
    };
    round(narrow, true);
    round(wide, false);
    const auto one = narrow.load(), two = wide.load();
    ASSERT_TRUE(one && two);
    const auto item =
        (*one)->encode({{"2+2?", "4", "five"}, "", scorer::Swap::kNone, scorer::Overflow::kPackage});
    const std::vector<const scorer::Encoded*> items = {&*item};
    EXPECT_EQ((*(*one)->score(items)[0]).logits, (*(*two)->score(items)[0]).logits) << dtype;
  }
}

std::vector<float> logits_of(const PackageCopy& c) {
  const auto scorer = c.load();
  if (!scorer) {
    ADD_FAILURE() << scorer.error().what;
    return {};
  }
  const auto item =
      (*scorer)->encode({{"2+2?", "4", "five"}, "", scorer::Swap::kNone, scorer::Overflow::kPackage});
  const std::vector<const scorer::Encoded*> items = {&*item};
  return (*(*scorer)->score(items)[0]).logits;
}

// With tied embeddings the input embedding is asked for twice; an adapter on it counts once and leaves the LM
// head as it is.
TEST(TiedEmbedding, TakesAnAdapter) {
  const PackageCopy copy("token_pair_tied"), plain("token_pair_tied");
  const std::int64_t vocabulary = copy.json("base/config.json")["vocab_size"].get<std::int64_t>();
  copy.edit("package.json", [](Json& j) { j["adapter"] = {{"path", "adapter"}}; });
  std::filesystem::create_directory(copy.path("adapter"));
  copy.write(
      "adapter/adapter_config.json",
      R"({"peft_type":"LORA","task_type":"CAUSAL_LM","r":2,"lora_alpha":2,"target_modules":["embed_tokens"]})");
  TestTensors file = {
      {"base_model.model.model.embed_tokens.lora_embedding_A", filled({2, vocabulary}, 0.25f)},
      {"base_model.model.model.embed_tokens.lora_embedding_B", filled({32, 2}, 0.0f)}};
  copy.write(kFile, safetensors_bytes(file));
  EXPECT_EQ(logits_of(copy), logits_of(plain));  // B is zero
  file["base_model.model.model.embed_tokens.lora_embedding_B"] = filled({32, 2}, 1.0f);
  copy.write(kFile, safetensors_bytes(file));
  EXPECT_NE(logits_of(copy), logits_of(plain));
}

// An LM head that was saved over a tied base is untied: its logits are its own.
TEST(TiedEmbedding, IsUntiedByASavedLmHead) {
  const PackageCopy copy("token_pair_tied"), plain("token_pair_tied");
  const TestTensor table = as_f32(table_of(plain));
  for (const PackageCopy* c : {&copy, &plain}) {
    c->edit("package.json", [](Json& j) { j["quantization"].erase("embeddings"); });
    c->edit("package.json", [](Json& j) { j.erase("golden"); });
  }
  copy.edit("package.json", [](Json& j) { j["adapter"] = {{"path", "adapter"}}; });
  std::filesystem::create_directory(copy.path("adapter"));
  copy.write(
      "adapter/adapter_config.json",
      R"({"peft_type":"LORA","task_type":"CAUSAL_LM","r":2,"lora_alpha":2,"target_modules":["q_proj"],)"
      R"("modules_to_save":["embed_tokens","lm_head"]})");
  const auto with_head = [&](const TestTensor& head) {
    TestTensors file = {{"base_model.model.lm_head.weight", head},
                        {"base_model.model.model.embed_tokens.weight", table}};
    plain.edit_tensors("base/model.safetensors", [&](auto& base) {
      for (const auto& [name, x] : base)
        if (name.ends_with("q_proj.weight")) {
          const std::string key = "base_model.model." + name.substr(0, name.size() - 6);
          file[key + "lora_A.weight"] = filled({2, x.shape[1]});
          file[key + "lora_B.weight"] = filled({x.shape[0], 2}, 0.0f);
        }
    });
    copy.write(kFile, safetensors_bytes(file));
    return logits_of(copy);
  };
  const std::vector<float> before = logits_of(plain), same = with_head(table);
  ASSERT_EQ(same.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(same[i], before[i], 1e-4f);
  std::vector<float> twice = values_of(table);
  for (float& v : twice) v *= 2;
  const std::vector<float> doubled = with_head(floats(table.shape, twice));
  for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(doubled[i], 2 * before[i], 2e-4f);
}

}  // namespace
}  // namespace preferd::checkpoint
