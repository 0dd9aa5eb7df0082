// Qwen2 and Qwen2.5 (arXiv 2407.10671, 2412.15115): biases on queries, keys and values; a window from layer
// max_window_layers on, if use_sliding_window says so. transformers: models/qwen2.
#include "model/families/causal.h"
#include "model/families/families.h"

namespace preferd::families {

std::unique_ptr<Body> build_qwen2(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                  const BodyOptions& options) {
  CausalSpec spec = read_causal(config, {.kv_heads = 32});
  spec.query_key_value_bias = true;
  config.expect("hidden_act", "silu");
  spec.windows = read_qwen_windows(config, spec.layers);
  return build_causal(config, spec, weights, options);
}

}  // namespace preferd::families
