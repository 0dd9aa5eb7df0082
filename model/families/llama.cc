// Llama (arXiv 2302.13971, 2307.09288): the plain form, with biases if the config says so. transformers:
// models/llama.
#include "model/families/causal.h"
#include "model/families/families.h"

namespace preferd::families {

std::unique_ptr<Body> build_llama(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                  const BodyOptions& options) {
  CausalSpec spec = read_causal(config, {});
  spec.query_key_value_bias = spec.output_bias = config.boolean_or("attention_bias", false);
  spec.mlp_bias = config.boolean_or("mlp_bias", false);
  config.expect("hidden_act", "silu");
  return build_causal(config, spec, weights, options);
}

}  // namespace preferd::families
