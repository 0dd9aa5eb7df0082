// Gemma 3 (arXiv 2503.19786), the language model: Gemma 2 without soft-caps, with a norm of each head of queries
// and keys, and a window in five of six layers, whose rotary positions have a base of their own. transformers:
// models/gemma3, Gemma3TextModel.
#include <cmath>
#include <string>

#include "model/families/causal.h"
#include "model/families/families.h"

namespace preferd::families {

std::unique_ptr<Body> build_gemma3_text(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                        const BodyOptions& options) {
  CausalSpec spec = read_causal(config, {.kv_heads = 4, .head_dim = 256, .tied = true});
  spec.query_key_value_bias = spec.output_bias = config.boolean_or("attention_bias", false);
  spec.query_key_norms = CausalSpec::HeadNorms::kEach;
  spec.glu = kernels::Glu::kGeGlu;
  config.expect("hidden_activation", "gelu_pytorch_tanh");
  for (const char* key : {"attn_logit_softcapping", "final_logit_softcapping"})
    if (config.has(key)) config.fail(std::string(key) + " is not supported, expected null");
  if (config.boolean_or("use_bidirectional_attention", false))
    config.fail("use_bidirectional_attention is not supported");
  spec.embedding_scale = read_embedding_scale(config, spec.hidden);
  spec.norm_offset = 1;
  spec.norms = CausalSpec::Norms::kAround;
  spec.attention_scale = static_cast<float>(1 / std::sqrt(config.positive_or("query_pre_attn_scalar", 256)));
  const std::int64_t pattern = config.integer_or("sliding_window_pattern", 6, 1, 4096);
  spec.windows = read_windows(config, spec.layers, read_window_width(config, 4096),
                              [pattern](std::int64_t layer) { return (layer + 1) % pattern != 0; });
  spec.rope = read_layer_rope(config, {"full_attention", "rope_theta", 1000000});
  spec.sliding_rope = read_layer_rope(config, {"sliding_attention", "rope_local_base_freq", 10000});
  return build_causal(config, spec, weights, options);
}

}  // namespace preferd::families
