// ModernBERT (arXiv 2412.13663): an encoder in the form of today's decoders. LayerNorms stand before attention and
// MLP (the first block's attention reads the norm behind the embedding), the MLP is gated, positions are rotary, and
// most layers see a window on either side, with a base of their own. transformers: models/modernbert.
#include "model/families/causal.h"
#include "model/families/families.h"

namespace preferd::families {

std::unique_ptr<Body> build_modernbert(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                       const BodyOptions& options) {
  CausalSpec spec = read_causal(config, {.eps = 1e-5, .eps_key = "norm_eps"});
  expect_plain_heads(config, spec, "modernbert");
  spec.names = {.embedding = "embeddings.tok_embeddings",
                .final_norm = "final_norm",
                .embedding_norm = "embeddings.norm",
                .attention = "attn.",
                .fused = "Wqkv",
                .out = "Wo",
                .down = "Wo",
                .gate_up = "Wi",
                .before_attention = "attn_norm",
                .behind_attention = "mlp_norm"};
  spec.fused = CausalSpec::Fused::kInTurn;
  spec.both_ways = spec.first_bare = true;
  using LayerNorms = CausalSpec::LayerNorms;
  spec.layer_norms = config.boolean_or("norm_bias", false) ? LayerNorms::kBiased : LayerNorms::kPlain;
  spec.glu = kernels::Glu::kGeGluErf;
  config.expect("hidden_activation", "gelu");
  for (const char* key : {"attention_bias", "mlp_bias"})
    if (config.boolean_or(key, false)) config.fail(std::string(key) + " is true, expected false");
  if (config.has("rope_scaling")) config.fail("rope_scaling is not supported in modernbert, expected null");

  const std::int64_t every = config.integer_or("global_attn_every_n_layers", 3, 1, 4096);
  const std::int64_t side = config.integer_or("local_attention", 128, 0, std::int64_t{1} << 24) / 2;
  spec.windows =
      read_windows(config, spec.layers, side + 1, [every](std::int64_t layer) { return layer % every != 0; });
  spec.rope = read_layer_rope(config, {"full_attention", "global_rope_theta", 160000});
  const bool as_global = config.json().contains("local_rope_theta") && !config.has("local_rope_theta");
  spec.sliding_rope =
      read_layer_rope(config, {"sliding_attention", "local_rope_theta", as_global ? spec.rope.theta : 10000});
  return build_causal(config, spec, weights, options);
}

}  // namespace preferd::families
