// What loading refuses of the families that see a whole sequence.
#include "tests/support/refusal.h"

namespace preferd::package {
namespace {

using namespace testing_support;

template <class F>
void config(const PackageCopy& c, F change) {
  c.edit("base/config.json", change);
}
template <class F>
void manifest(const PackageCopy& c, F change) {
  c.edit("package.json", change);
}
template <class F>
void base(const PackageCopy& c, F change) {
  c.edit_tensors("base/model.safetensors", change);
}
template <class F>
void adapter(const PackageCopy& c, F change) {
  c.edit("adapter/adapter_config.json", change);
}

class BadEncoder : public RefusalTest {};
TEST_P(BadEncoder, IsRefused) { check(); }

INSTANTIATE_TEST_SUITE_P(
    Deberta, BadEncoder,
    testing::Values(
        Refusal{"token_pair",
                "deberta",
                [](const PackageCopy& c) {
                  manifest(c, [](Json& j) {
                    j["head"] = {{"output", "token_pair"}, {"tokens", {"a", "b"}}};
                    j["input"]["layout"] = "pair";
                    j["input"]["template"][3]["field"] = "response_a";
                  });
                },
                {"package.json", "token_pair", "deberta_v2", "not a causal language model"}},
        Refusal{"position_kind",
                "deberta",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["pos_att_type"] = "c2p|p2p"; }); },
                {"config.json", "pos_att_type has 'p2p'", "'c2p' or 'p2c'"}},
        Refusal{"position_kinds_no_list",
                "deberta",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["pos_att_type"] = 3; }); },
                {"config.json", "pos_att_type is", "expected a list"}},
        Refusal{"buckets_beyond_distances",
                "deberta",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["max_relative_positions"] = 5; }); },
                {"config.json", "position_buckets is 8", "up to 5"}},
        Refusal{"heads",
                "deberta",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["num_attention_heads"] = 5; }); },
                {"config.json", "num_attention_heads is 5", "hidden_size, 32"}},
        Refusal{"head_size",
                "deberta",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["attention_head_size"] = 4; }); },
                {"config.json", "attention_head_size"}},
        Refusal{"activation",
                "deberta",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["hidden_act"] = "silu"; }); },
                {"config.json", "hidden_act is 'silu'", "expected gelu"}},
        Refusal{"convolution_even",
                "deberta_conv",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["conv_kernel_size"] = 4; }); },
                {"config.json", "conv_kernel_size is 4", "odd"}},
        Refusal{"convolution_groups",
                "deberta_conv",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["conv_groups"] = 3; }); },
                {"config.json", "conv_groups is 3"}},
        Refusal{"positions_run_out",
                "deberta_conv",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["max_position_embeddings"] = 95; }); },
                {"config.json", "max_position_embeddings is 95", "input.max_tokens", "96"}},
        Refusal{"rows_of_positions",
                "deberta",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["position_buckets"] = 7; }); },
                {"encoder.rel_embeddings.weight is [16, 32], expected [14, 32]"}},
        Refusal{"bias_missing",
                "deberta",
                [](const PackageCopy& c) {
                  base(c, [](auto& file) { file.erase("deberta.encoder.layer.1.output.dense.bias"); });
                },
                {"missing tensor encoder.layer.1.output.dense.bias"}},
        Refusal{"convolution_nobody_reads",
                "deberta_conv",
                [](const PackageCopy& c) { config(c, [](Json& j) { j.erase("conv_kernel_size"); }); },
                {"no part of deberta_v2 reads", "encoder.conv.conv.weight"}},
        Refusal{"adapter_on_positions",
                "deberta_nf4_lora",
                [](const PackageCopy& c) {
                  adapter(c, [](Json& j) { j["target_modules"] = {"rel_embeddings", "dense"}; });
                },
                {"adapter_config.json", "target_modules matches deberta.encoder.rel_embeddings",
                 "no linear layer"}},
        Refusal{"adapter_of_fewer_modules",
                "deberta_nf4_lora",
                [](const PackageCopy& c) {
                  adapter(c, [](Json& j) { j["target_modules"] = {"query_proj", "dense"}; });
                },
                {"adapter_model.safetensors", "not consumed", "key_proj"}}),
    by_case);

INSTANTIATE_TEST_SUITE_P(
    BiLstm, BadEncoder,
    testing::Values(
        Refusal{"adapter",
                "bilstm",
                [](const PackageCopy& c) {
                  std::filesystem::copy(kPackages + "deberta_nf4_lora/adapter", c.path("adapter"));
                  manifest(c, [](Json& j) { j["adapter"] = {{"path", "adapter"}}; });
                },
                {"package.json", "adapter.path is 'adapter'", "bilstm has no linear layers"}},
        Refusal{"quantization",
                "bilstm",
                [](const PackageCopy& c) {
                  manifest(c, [](Json& j) { j["quantization"] = {{"scheme", "int8"}}; });
                },
                {"package.json", "quantization.scheme is int8", "bilstm has no linear layers"}},
        Refusal{"token_pair",
                "bilstm_mean",
                [](const PackageCopy& c) {
                  manifest(c, [](Json& j) {
                    j["head"] = {{"output", "token_pair"}, {"tokens", {"a", "b"}}};
                  });
                },
                {"package.json", "token_pair", "not a causal language model"}},
        Refusal{"sizes_missing",
                "bilstm",
                [](const PackageCopy& c) { config(c, [](Json& j) { j.erase("hidden_sizes"); }); },
                {"config.json", "hidden_sizes"}},
        Refusal{"sizes_a_number",
                "bilstm",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["hidden_sizes"] = 2; }); },
                {"config.json", "hidden_sizes is", "array"}},
        Refusal{"sizes_empty",
                "bilstm",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["hidden_sizes"] = Json::array(); }); },
                {"config.json", "hidden_sizes has 0 entries"}},
        Refusal{"size_zero",
                "bilstm",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["hidden_sizes"][0] = 0; }); },
                {"config.json", "hidden_sizes holds", "above 0"}},
        Refusal{"size_of_another",
                "bilstm",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["hidden_sizes"][1] = 12; }); },
                {"lstm.1.weight_ih_l0 is [40, 28], expected [48, 28]"}},
        Refusal{"layers_above",
                "bilstm",
                [](const PackageCopy& c) { manifest(c, [](Json& j) { j["base"]["max_layers"] = 3; }); },
                {"package.json", "base.max_layers is 3", "2 layers"}},
        Refusal{"one_way_missing",
                "bilstm",
                [](const PackageCopy& c) {
                  base(c, [](auto& file) { file.erase("lstm.0.bias_hh_l0_reverse"); });
                },
                {"missing tensor lstm.0.bias_hh_l0_reverse"}}),
    by_case);

// transformers makes, and saves, the norm of relative positions that take no part.
TEST(Deberta, HoldsANormOfPositionsThatTakeNoPart) {
  const PackageCopy copy("deberta");
  config(copy, [](Json& j) { j["relative_attention"] = false; });
  base(copy, [](auto& file) {
    std::erase_if(file, [](const auto& entry) {
      return entry.first.find("rel_embeddings") != std::string::npos ||
             entry.first.find(".pos_") != std::string::npos;
    });
  });
  EXPECT_EQ(copy.refusal(scorer::Golden::kSkip), "");
  base(copy, [](auto& file) { file.erase("deberta.encoder.LayerNorm.bias"); });
  EXPECT_THAT(copy.refusal(scorer::Golden::kSkip),
              testing::HasSubstr("missing tensor encoder.LayerNorm.bias"));
}

TEST(Deberta, NeedsNoFarDistancesWhereTextsAreShort) {
  const PackageCopy copy("deberta");
  config(copy, [](Json& j) { j["max_relative_positions"] = 5; });
  manifest(copy, [](Json& j) { j["input"]["max_tokens"] = 5; });
  EXPECT_EQ(copy.refusal(scorer::Golden::kSkip), "");
  manifest(copy, [](Json& j) { j["input"]["max_tokens"] = 6; });
  EXPECT_THAT(copy.refusal(scorer::Golden::kSkip), testing::HasSubstr("input.max_tokens of at most 5"));
}

// Published DeBERTas hold absolute positions that nobody reads where position_biased_input is false, and
// heads of their pre-training; transformers drops both.
TEST(Deberta, LeavesWhatPublishedFilesHoldBeside) {
  const PackageCopy copy("deberta");
  copy.edit_tensors("base/model.safetensors", [](auto& t) {
    t["deberta.embeddings.position_embeddings.weight"] = filled({128, 32});
    t["lm_predictions.lm_head.bias"] = filled({9});
    t["mask_predictions.dense.weight"] = filled({4, 4});
  });
  EXPECT_EQ(copy.refusal(scorer::Golden::kVerify), "");
}

INSTANTIATE_TEST_SUITE_P(
    Modernbert, BadEncoder,
    testing::Values(
        Refusal{"rope_of_a_type",
                "modernbert_nf4_lora",
                [](const PackageCopy& c) {
                  config(c, [](Json& j) { j["rope_parameters"].erase("full_attention"); });
                },
                {"config.json", "rope_parameters has no full_attention"}},
        Refusal{"layer_types",
                "modernbert_nf4_lora",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["layer_types"].erase(0); }); },
                {"config.json", "layer_types is an array of 2", "num_hidden_layers entries, 3"}},
        Refusal{"every_layer",
                "modernbert",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["global_attn_every_n_layers"] = 0; }); },
                {"config.json", "global_attn_every_n_layers is 0"}},
        Refusal{"shared_keys",
                "modernbert",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["num_key_value_heads"] = 1; }); },
                {"config.json", "num_key_value_heads or head_dim is not supported in modernbert"}},
        Refusal{"biases",
                "modernbert",
                [](const PackageCopy& c) { config(c, [](Json& j) { j["mlp_bias"] = true; }); },
                {"config.json", "mlp_bias is true, expected false"}},
        Refusal{"norm_of_the_first_layer",
                "modernbert",
                [](const PackageCopy& c) {
                  base(c, [](auto& all) {
                    all["model.layers.0.attn_norm.weight"] = all["model.layers.1.attn_norm.weight"];
                  });
                },
                {"tensors that no part of modernbert reads", "layers.0.attn_norm.weight"}}),
    by_case);

INSTANTIATE_TEST_SUITE_P(
    Heads, BadEncoder,
    testing::Values(Refusal{"gate_that_reads_earlier",
                            "modernbert",
                            [](const PackageCopy& c) {
                              manifest(c, [](Json& j) {
                                j["head"]["pooling"] = "last";
                                j["head"]["gate"] = {{"at_tokens", {1}}, {"layers", j["head"]["layers"]}};
                              });
                            },
                            {"package.json", "head.gate is there",
                             "modernbert is not a causal language model"}},
                    Refusal{"markers_over_a_decoder",
                            "dense",
                            [](const PackageCopy& c) {
                              manifest(c, [](Json& j) {
                                j["head"]["pooling"] = "markers";
                                j["head"]["markers"] = {1, 2, 3};
                              });
                            },
                            {"package.json", "head.markers is there", "llama does not see the whole text"}}),
    by_case);

}  // namespace
}  // namespace preferd::package
