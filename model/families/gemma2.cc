// Gemma 2 (arXiv 2408.00118): scaled embeddings, norms that multiply by 1 + weight on both sides of attention
// and MLP, GeGLU, soft-caps on scores and logits, a window in every other layer beginning with the first,
// queries scaled by a constant of their own. transformers: models/gemma2.
#include <cmath>

#include "model/families/causal.h"
#include "model/families/families.h"

namespace preferd::families {
namespace {

// Off if the key is null.
float read_softcap(checkpoint::Fields& config, const char* key, double fallback) {
  if (config.json().contains(key) && !config.has(key)) return 0;
  return static_cast<float>(config.positive_or(key, fallback));
}

}  // namespace

std::unique_ptr<Body> build_gemma2(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                   const BodyOptions& options) {
  CausalSpec spec = read_causal(config, {.kv_heads = 4, .head_dim = 256, .tied = true});
  spec.query_key_value_bias = spec.output_bias = config.boolean_or("attention_bias", false);
  spec.glu = kernels::Glu::kGeGlu;
  config.expect("hidden_activation", "gelu_pytorch_tanh");
  spec.embedding_scale = std::sqrt(static_cast<float>(spec.hidden));
  spec.norm_offset = 1;
  spec.norms = CausalSpec::Norms::kAround;
  spec.attention_scale = static_cast<float>(1 / std::sqrt(config.positive_or("query_pre_attn_scalar", 256)));
  spec.attention_softcap = read_softcap(config, "attn_logit_softcapping", 50);
  spec.logit_softcap = read_softcap(config, "final_logit_softcapping", 30);
  spec.windows = read_windows(config, spec.layers, read_window_width(config, 4096),
                              [](std::int64_t layer) { return layer % 2 == 0; });
  return build_causal(config, spec, weights, options);
}

}  // namespace preferd::families
