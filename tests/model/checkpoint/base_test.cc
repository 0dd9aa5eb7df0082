// Base checkpoints: what is refused, and what published files hold that must not be.
#include "tests/support/refusal.h"

namespace preferd::checkpoint {
namespace {

using namespace testing_support;

constexpr const char* kFile = "base/model.safetensors";
const std::string kQuery = "model.layers.0.self_attn.q_proj.weight";
const std::string kUp = "model.layers.1.mlp.up_proj.weight";

class BadBase : public RefusalTest {};
TEST_P(BadBase, IsRefused) { check(); }

template <class F>
void tensors(const PackageCopy& c, F change) {
  c.edit_tensors(kFile, change);
}
template <class F>
void config(const PackageCopy& c, F change) {
  c.edit("base/config.json", change);
}
template <class F>
void manifest(const PackageCopy& c, F change) {
  c.edit("package.json", change);
}

INSTANTIATE_TEST_SUITE_P(
    Tensors, BadBase,
    testing::Values(
        Refusal{"missing",
                "dense",
                [](const PackageCopy& c) { tensors(c, [](auto& file) { file.erase(kUp); }); },
                {"/base", "missing tensor layers.1.mlp.up_proj.weight"}},
        Refusal{"missing_norm",
                "dense",
                [](const PackageCopy& c) { tensors(c, [](auto& file) { file.erase("model.norm.weight"); }); },
                {"missing tensor norm.weight"}},
        Refusal{"missing_bias",
                "biases",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { file.erase("model.layers.2.self_attn.k_proj.bias"); });
                },
                {"missing tensor layers.2.self_attn.k_proj.bias"}},
        Refusal{"bias_that_config_denies",
                "biases",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["mlp_bias"] = false; }); },
                {"tensors that no part of llama reads", "layers.0.mlp.down_proj.bias"}},
        Refusal{"stray",
                "dense",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { file["model.layers.0.mlp.extra.weight"] = filled({4}); });
                },
                {"tensors that no part of llama reads", "layers.0.mlp.extra.weight"}},
        Refusal{"stray_layer",
                "dense",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { file["model.layers.3.mlp.up_proj.weight"] = file[kUp]; });
                },
                {"no part of llama reads", "layers.3.mlp.up_proj.weight"}},
        Refusal{"stray_layer_beyond_a_cut",
                "cut_layers",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { file["model.layers.3.mlp.up_proj.weight"] = file[kUp]; });
                },
                {"no part of llama reads", "layers.3.mlp.up_proj.weight"}},
        Refusal{"shape_transposed",
                "dense",
                [](const PackageCopy& c) { tensors(c, [](auto& file) {
                                             file[kUp].shape = {64, 96};
                                           }); },
                {"layers.1.mlp.up_proj.weight is [64, 96], expected [96, 64]"}},
        Refusal{"shape_flat",
                "dense",
                [](const PackageCopy& c) { tensors(c, [](auto& file) { file[kUp].shape = {96 * 64}; }); },
                {"layers.1.mlp.up_proj.weight is [6144], expected [96, 64]"}},
        Refusal{"embedding_short",
                "dense",
                [](const PackageCopy& c) {
                  config(c, [](Json& j) { j["vocab_size"] = j["vocab_size"].get<int>() + 1; });
                },
                {"embed_tokens.weight is ["}},
        Refusal{
            "nan_in_a_linear",
            "dense",
            [](const PackageCopy& c) { tensors(c, [](auto& file) { set_bits(file[kQuery], 0x7fc00000); }); },
            {"layers.0.self_attn.q_proj.weight holds NaN or infinity"}},
        Refusal{"nan_under_quantization",
                "nf4",
                [](const PackageCopy& c) { tensors(c, [](auto& file) { set_bits(file[kQuery], 0x7fc0); }); },
                {"layers.0.self_attn.q_proj.weight holds NaN or infinity"}},
        Refusal{"infinity_in_a_norm",
                "dense_bf16_mean",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { set_bits(file["model.norm.weight"], 0x7f80); });
                },
                {"norm.weight holds NaN or infinity"}},
        Refusal{"infinity_in_the_embedding",
                "dense_fp16_first",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { set_bits(file["model.embed_tokens.weight"], 0x7c00); });
                },
                {"embed_tokens.weight holds NaN or infinity"}},
        Refusal{"nan_in_a_bias",
                "biases",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { set_bits(file["model.layers.0.mlp.up_proj.bias"], 0x7fc0); });
                },
                {"layers.0.mlp.up_proj.bias holds NaN or infinity"}},
        Refusal{"nan_in_the_lm_head",
                "token_pair",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { set_bits(file["lm_head.weight"], 0x7fc0); });
                },
                {"lm_head.weight holds NaN or infinity"}},
        Refusal{"lm_head_missing",
                "token_pair",
                [](const PackageCopy& c) { tensors(c, [](auto& file) { file.erase("lm_head.weight"); }); },
                {"missing tensor lm_head.weight"}},
        Refusal{"integers",
                "dense",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { file[kUp] = {"I8", {96, 64}, std::string(96 * 64, 'x')}; });
                },
                {"layers.1.mlp.up_proj.weight is I8"}},
        Refusal{"integers_for_a_norm",
                "dense",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) {
                    file["model.norm.weight"] = {"I32", {64}, std::string(256, 'x')};
                  });
                },
                {"norm.weight is I32"}},
        Refusal{"with_and_without_prefix",
                "dense",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { file["norm.weight"] = file["model.norm.weight"]; });
                },
                {"norm.weight", "with and without the prefix model."}},
        Refusal{"no_file",
                "dense",
                [](const PackageCopy& c) { std::filesystem::remove(c.path(kFile)); },
                {"/base", "neither model.safetensors nor model.safetensors.index.json"}},
        Refusal{"truncated",
                "dense",
                [](const PackageCopy& c) { c.write(kFile, c.read(kFile).substr(0, 100'000)); },
                {"base/model.safetensors", "truncated"}},
        Refusal{"pickle",
                "dense",
                [](const PackageCopy& c) { c.write(kFile, "PK\x03\x04 not safetensors"); },
                {"base/model.safetensors", "not a whole safetensors file"}}),
    by_case);

INSTANTIATE_TEST_SUITE_P(
    Config, BadBase,
    testing::Values(
        Refusal{"missing",
                "dense",
                [](const PackageCopy& c) { std::filesystem::remove(c.path("base/config.json")); },
                {"base/config.json"}},
        Refusal{"no_json",
                "dense",
                [](const PackageCopy& c) { c.write("base/config.json", "{"); },
                {"base/config.json"}},
        Refusal{"array",
                "dense",
                [](const PackageCopy& c) { c.write("base/config.json", "[]"); },
                {"base/config.json", "expected a JSON object"}},
        Refusal{"key_twice",
                "dense",
                [](const PackageCopy& c) { c.replace("base/config.json", "{", R"({"hidden_size": 64,)"); },
                {"base/config.json", "a key appears twice"}},
        Refusal{"unknown_family",
                "dense",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["model_type"] = "gpt2"; }); },
                {"config.json", "model_type 'gpt2' is not one of", "llama"}},
        Refusal{"no_family",
                "dense",
                [](const PackageCopy& c) { config(c, [](Json& j) { j.erase("model_type"); }); },
                {"config.json", "model_type is missing"}},
        Refusal{"hidden_act",
                "dense",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["hidden_act"] = "gelu"; }); },
                {"config.json", "hidden_act is 'gelu', expected 'silu'"}},
        Refusal{"hidden_size_missing",
                "dense",
                [](const PackageCopy& c) { config(c, [](Json& j) { j.erase("hidden_size"); }); },
                {"config.json", "hidden_size is missing"}},
        Refusal{"hidden_size_text",
                "dense",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["hidden_size"] = "64"; }); },
                {"config.json", "hidden_size is '64', expected an integer"}},
        Refusal{"layers_zero",
                "dense",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["num_hidden_layers"] = 0; }); },
                {"config.json", "num_hidden_layers is 0"}},
        Refusal{"layers_more",
                "dense",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["num_hidden_layers"] = 4; }); },
                {"missing tensor layers.3."}},
        Refusal{"heads_do_not_divide",
                "dense",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["num_key_value_heads"] = 3; }); },
                {"num_key_value_heads is 3, which does not divide num_attention_heads, 4"}},
        Refusal{"no_head_dim",
                "dense",
                [](const PackageCopy& c) {
                  config(c, [](Json& j) {
                    j.erase("head_dim");
                    j["num_attention_heads"] = 128;
                  });
                },
                {"hidden_size is 64, below num_attention_heads, 128"}},
        Refusal{"layer_types_few",
                "gemma2_uncapped",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["layer_types"].erase(0); }); },
                {"layer_types is an array of 2, expected an array of num_hidden_layers entries, 3"}},
        Refusal{"layer_types_unknown",
                "gemma2_uncapped",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["layer_types"][1] = "linear"; }); },
                {"layer_types has 'linear', expected 'sliding_attention' or 'full_attention'"}},
        Refusal{"layer_types_without_a_window",
                "gemma2_uncapped",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["sliding_window"] = nullptr; }); },
                {"layer_types has 'sliding_attention', but sliding_window or use_sliding_window says none"}},
        Refusal{"window_zero",
                "mistral",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["sliding_window"] = 0; }); },
                {"sliding_window is 0, expected an integer in 1.."}},
        Refusal{"qwen3_activation",
                "qwen3",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["hidden_act"] = "gelu"; }); },
                {"hidden_act is 'gelu', expected 'silu'"}},
        Refusal{"olmo2_activation",
                "olmo2",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["hidden_act"] = "gelu"; }); },
                {"hidden_act is 'gelu', expected 'silu'"}},
        Refusal{"olmo2_norm_missing",
                "olmo2",
                [](const PackageCopy& c) {
                  tensors(c, [](auto& file) { file.erase("model.layers.1.self_attn.k_norm.weight"); });
                },
                {"missing tensor layers.1.self_attn.k_norm.weight"}},
        Refusal{"phi3_fused_rows",
                "phi3",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["num_key_value_heads"] = 2; }); },
                {"layers.0.self_attn.qkv_proj.weight is [32, 16], expected [48, 16]"}},
        Refusal{"gpt_neox_activation",
                "gpt_neox",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["hidden_act"] = "silu"; }); },
                {"hidden_act is 'silu', expected gelu"}},
        Refusal{"gpt_neox_heads",
                "gpt_neox",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["num_key_value_heads"] = 1; }); },
                {"num_key_value_heads or head_dim is not supported in gpt_neox"}},
        Refusal{"smollm3_layers_few",
                "smollm3",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["no_rope_layers"].erase(0); }); },
                {"no_rope_layers is an array of 2, expected an array of num_hidden_layers entries, 3"}},
        Refusal{"gemma3_softcap",
                "gemma3",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["final_logit_softcapping"] = 30; }); },
                {"final_logit_softcapping is not supported, expected null"}},
        Refusal{"gemma_type",
                "gemma",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["torch_dtype"] = "half"; }); },
                {"torch_dtype is 'half', expected 'bfloat16', 'float16' or 'float32'"}},
        Refusal{
            "gemma_both_ways",
            "gemma",
            [](const PackageCopy& c) { config(c, [](Json& j) { j["use_bidirectional_attention"] = true; }); },
            {"use_bidirectional_attention is not supported"}},
        Refusal{"qwen3_head_dim",
                "qwen3",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["head_dim"] = 16; }); },
                {"self_attn.q_proj.weight"}},
        Refusal{"softcap_negative",
                "gemma2_uncapped",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["final_logit_softcapping"] = -1; }); },
                {"final_logit_softcapping is -1, expected a number above 0"}},
        Refusal{"gemma_activation",
                "gemma2_uncapped",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["hidden_activation"] = "relu"; }); },
                {"hidden_activation is 'relu', expected 'gelu_pytorch_tanh'"}},
        Refusal{"odd_head_dim",
                "dense",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["head_dim"] = 15; }); },
                {"head_dim is odd"}},
        Refusal{"bias_text",
                "dense",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["attention_bias"] = "false"; }); },
                {"attention_bias is 'false', expected true or false"}},
        Refusal{"eps_text",
                "dense",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["rms_norm_eps"] = "1e-5"; }); },
                {"rms_norm_eps is '1e-5', expected a number"}},
        Refusal{"max_layers_zero",
                "dense",
                [](const PackageCopy& c) { manifest(c, [](Json& j) { j["base"]["max_layers"] = 0; }); },
                {"package.json", "base.max_layers is 0"}},
        Refusal{"max_layers_beyond",
                "dense",
                [](const PackageCopy& c) { manifest(c, [](Json& j) { j["base"]["max_layers"] = 4; }); },
                {"package.json", "base.max_layers is 4", "3 layers"}},
        Refusal{"vocabulary_below_the_tokenizer",
                "dense",
                [](const PackageCopy& c) {
                  config(c, [](Json& j) { j["vocab_size"] = j["vocab_size"].get<int>() - 4; });
                },
                {"the tokenizer has id", "vocab_size is"}},
        Refusal{"prequantized_without_scheme",
                "dense",
                [](const PackageCopy& c) {
                  config(c, [](Json& j) { j["quantization_config"] = Json::object(); });
                },
                {"already quantized", "package.json says scheme none"}}),
    by_case);

struct Accepted {
  const char* name;
  const char* package;
  void (*change)(const PackageCopy& copy);
};
void PrintTo(const Accepted& a, std::ostream* out) { *out << a.name; }

// Golden pairs prove that what was loaded computes what it did before.
class GoodBase : public testing::TestWithParam<Accepted> {};

TEST_P(GoodBase, LoadsAndComputesTheSame) {
  const PackageCopy copy(GetParam().package);
  GetParam().change(copy);
  EXPECT_EQ(copy.refusal(scorer::Golden::kVerify), "");
}

void strip_prefix(const PackageCopy& c) {
  tensors(c, [](auto& file) {
    TestTensors bare;
    for (auto& [name, tensor] : file) bare[name.starts_with("model.") ? name.substr(6) : name] = tensor;
    file = bare;
  });
}

void split(const PackageCopy& c) {
  const TestTensors all = c.tensors(kFile);
  std::vector<TestTensors> shards(3);
  Json index = {{"metadata", {{"total_size", 1}}}, {"weight_map", Json::object()}};
  std::size_t i = 0;
  for (const auto& [name, tensor] : all) {
    index["weight_map"][name] = "model-" + std::to_string(i % 3) + ".safetensors";
    shards[i++ % 3][name] = tensor;
  }
  for (std::size_t s = 0; s < 3; ++s)
    c.write("base/model-" + std::to_string(s) + ".safetensors", safetensors_bytes(shards[s]));
  c.write("base/model.safetensors.index.json", index.dump());
  std::filesystem::remove(c.path(kFile));
}

INSTANTIATE_TEST_SUITE_P(
    All, GoodBase,
    testing::Values(
        Accepted{"unread_heads_and_buffers", "dense",
                 [](const PackageCopy& c) {
                   tensors(c, [](auto& file) {
                     file["lm_head.weight"] = filled({7, 64});
                     file["score.weight"] = filled({3, 64});
                     file["classifier.bias"] = filled({3});
                     file["model.layers.0.self_attn.rotary_emb.inv_freq"] = filled({8});
                     file["model.rotary_emb.inv_freq"] = filled({8});
                     file["embeddings.position_ids"] = {"I64", {1}, std::string(8, '\0')};
                   });
                 }},
        Accepted{"causal_masks_of_older_files", "gpt_neox",
                 [](const PackageCopy& c) {
                   tensors(c, [](auto& file) {
                     file["layers.0.attention.bias"] = {"BOOL", {1, 1, 2, 2}, std::string(4, '\1')};
                     file["layers.1.attention.masked_bias"] = filled({1});
                     file["layers.0.attention.rotary_emb.inv_freq"] = filled({2});
                     file["embed_out.weight"] = filled({7, 16});
                   });
                 }},
        Accepted{"names_without_prefix", "dense", strip_prefix},
        Accepted{"stored_names_without_prefix", "stored_nf4", strip_prefix},
        Accepted{"int8_names_without_prefix", "stored_int8", strip_prefix},
        Accepted{"lm_head_beside_bare_names", "token_pair", strip_prefix}, Accepted{"shards", "dense", split},
        Accepted{"stored_shards", "stored_fp4", split},
        Accepted{"cut_layers_gone", "cut_layers",
                 [](const PackageCopy& c) {
                   tensors(c, [](auto& file) {
                     std::erase_if(file,
                                   [](const auto& e) { return e.first.starts_with("model.layers.2."); });
                   });
                 }},
        Accepted{"no_weight_format", "stored_int8",
                 [](const PackageCopy& c) {
                   tensors(c, [](auto& file) {
                     std::erase_if(file, [](const auto& e) { return e.first.ends_with(".weight_format"); });
                   });
                 }},
        Accepted{"prequantized_without_config", "stored_nf4",
                 [](const PackageCopy& c) { config(c, [](Json& j) { j.erase("quantization_config"); }); }},
        Accepted{"wider_than_bf16", "dense_bf16_mean",
                 [](const PackageCopy& c) {
                   tensors(c, [](auto& file) {
                     for (auto& [name, x] : file) x = as_f32(x);
                   });
                 }},
        Accepted{"doubles", "dense",
                 [](const PackageCopy& c) {
                   tensors(c, [](auto& file) {
                     for (auto& [name, x] : file) {
                       const std::vector<float> narrow = values_of(x);
                       const std::vector<double> wide(narrow.begin(), narrow.end());
                       x.dtype = "F64";
                       x.bytes.assign(reinterpret_cast<const char*>(wide.data()),
                                      wide.size() * sizeof(double));
                     }
                   });
                 }},
        Accepted{"rope_by_its_new_name", "rope_linear",
                 [](const PackageCopy& c) {
                   config(c, [](Json& j) {
                     j["rope_parameters"] = {
                         {"rope_type", "linear"}, {"factor", 4.0}, {"rope_theta", j["rope_theta"]}};
                     j.erase("rope_scaling");
                     j.erase("rope_theta");
                   });
                 }},
        Accepted{"nulls_are_absent", "dense",
                 [](const PackageCopy& c) {
                   config(c, [](Json& j) {
                     j["rope_scaling"] = nullptr;
                     j["quantization_config"] = nullptr;
                   });
                 }}),
    [](const auto& c) { return std::string(c.param.name); });

// One byte before everything else: no tensor of the file is aligned.
TEST(BaseOffsets, MayBeOdd) {
  for (const char* package : {"dense", "dense_bf16_mean", "stored_nf4", "stored_int8", "lora"}) {
    for (const std::size_t size : {1u, 2u, 3u}) {
      const PackageCopy copy(package);
      tensors(copy, [&](auto& file) {
        file["classifier.0"] = {"U8", {static_cast<std::int64_t>(size)}, std::string(size, 'x')};
      });
      EXPECT_EQ(copy.refusal(scorer::Golden::kVerify), "") << package;
    }
  }
}

class BadIndex : public RefusalTest {};
TEST_P(BadIndex, IsRefused) { check(); }

constexpr const char* kIndex = "base/model.safetensors.index.json";

INSTANTIATE_TEST_SUITE_P(
    All, BadIndex,
    testing::Values(Refusal{"shard_missing",
                            "dense",
                            [](const PackageCopy& c) {
                              split(c);
                              std::filesystem::remove(c.path("base/model-1.safetensors"));
                            },
                            {"model-1.safetensors"}},
                    Refusal{"shard_elsewhere",
                            "dense",
                            [](const PackageCopy& c) {
                              split(c);
                              c.edit(kIndex, [](Json& j) {
                                j["weight_map"]["model.norm.weight"] = "../head.safetensors";
                              });
                            },
                            {"model.safetensors.index.json", "model.norm.weight", "not a plain file name"}},
                    Refusal{"tensor_in_no_shard",
                            "dense",
                            [](const PackageCopy& c) {
                              split(c);
                              c.edit(kIndex,
                                     [](Json& j) { j["weight_map"]["model.extra"] = "model-0.safetensors"; });
                            },
                            {"model.safetensors.index.json", "model.extra is in no shard"}},
                    Refusal{"tensor_twice",
                            "dense",
                            [](const PackageCopy& c) {
                              split(c);
                              c.edit_tensors("base/model-0.safetensors",
                                             [](auto& file) { file["model.norm.weight"] = filled({64}); });
                              c.edit_tensors("base/model-1.safetensors",
                                             [](auto& file) { file["model.norm.weight"] = filled({64}); });
                            },
                            {"model.norm.weight stands in two shards"}},
                    Refusal{"no_map",
                            "dense",
                            [](const PackageCopy& c) {
                              split(c);
                              c.write(kIndex, "{}");
                            },
                            {"model.safetensors.index.json", "weight_map"}},
                    Refusal{"key_twice",
                            "dense",
                            [](const PackageCopy& c) {
                              split(c);
                              c.replace(kIndex, R"("weight_map":{)",
                                        R"("weight_map":{"model.norm.weight":"model-0.safetensors",)");
                            },
                            {"model.safetensors.index.json", "a key appears twice"}}),
    by_case);

}  // namespace
}  // namespace preferd::checkpoint
