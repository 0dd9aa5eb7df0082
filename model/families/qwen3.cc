// Qwen3 (arXiv 2505.09388): Qwen2 with a norm of each head of queries and keys in place of their biases, and
// heads of a width of their own. transformers: models/qwen3.
#include "model/families/causal.h"
#include "model/families/families.h"

namespace preferd::families {

std::unique_ptr<Body> build_qwen3(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                  const BodyOptions& options) {
  CausalSpec spec = read_causal(config, {.kv_heads = 32, .head_dim = 128});
  spec.query_key_value_bias = spec.output_bias = config.boolean_or("attention_bias", false);
  spec.query_key_norms = CausalSpec::HeadNorms::kEach;
  config.expect("hidden_act", "silu");
  spec.windows = read_qwen_windows(config, spec.layers);
  return build_causal(config, spec, weights, options);
}

}  // namespace preferd::families
