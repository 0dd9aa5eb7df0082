// GPT-NeoX and Pythia (arXiv 2204.06745, 2304.01373): LayerNorms with biases, an MLP that is not gated and by default
// reads what attention reads, queries, keys and values in one matrix, head by head, and rotation of a part of each
// head. transformers: models/gpt_neox.
#include "model/families/activation.h"
#include "model/families/causal.h"
#include "model/families/families.h"

namespace preferd::families {

std::unique_ptr<Body> build_gpt_neox(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                     const BodyOptions& options) {
  CausalSpec spec = read_causal(
      config, {.rope = {.rotated = 0.25, .theta_key = "rotary_emb_base", .rotated_key = "rotary_pct"},
               .eps = 1e-5,
               .eps_key = "layer_norm_eps"});
  expect_plain_heads(config, spec, "gpt_neox");
  spec.names = {.embedding = "embed_in",
                .final_norm = "final_layer_norm",
                .output = weights.has("lm_head.weight") ? "lm_head" : "embed_out",
                .attention = "attention.",
                .fused = "query_key_value",
                .out = "dense",
                .up = "dense_h_to_4h",
                .down = "dense_4h_to_h"};
  spec.fused = CausalSpec::Fused::kByHeads;
  spec.query_key_value_bias = spec.output_bias = config.boolean_or("attention_bias", true);
  spec.mlp_bias = true;
  spec.layer_norms = CausalSpec::LayerNorms::kBiased;
  spec.plain_mlp = read_activation(config, "hidden_act", "gelu");
  spec.parallel = config.boolean_or("use_parallel_residual", true);
  return build_causal(config, spec, weights, options);
}

}  // namespace preferd::families
