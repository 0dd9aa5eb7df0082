// Mistral (arXiv 2310.06825): Llama without biases, with a window in every layer. transformers:
// models/mistral.
#include "model/families/causal.h"
#include "model/families/families.h"

namespace preferd::families {

std::unique_ptr<Body> build_mistral(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                    const BodyOptions& options) {
  CausalSpec spec = read_causal(config, {.kv_heads = 8});
  config.expect("hidden_act", "silu");
  spec.windows =
      read_windows(config, spec.layers, read_window_width(config, 4096), [](std::int64_t) { return true; });
  return build_causal(config, spec, weights, options);
}

}  // namespace preferd::families
