// OLMo 2 (arXiv 2501.00656): Llama with norms behind attention and MLP instead of before them, and a norm of all
// queries and one of all keys of a token. transformers: models/olmo2.
#include "model/families/causal.h"
#include "model/families/families.h"

namespace preferd::families {

std::unique_ptr<Body> build_olmo2(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                  const BodyOptions& options) {
  CausalSpec spec = read_causal(config, {.eps = 1e-5});
  spec.query_key_value_bias = spec.output_bias = config.boolean_or("attention_bias", false);
  spec.query_key_norms = CausalSpec::HeadNorms::kWhole;
  spec.norms = CausalSpec::Norms::kAfter;
  config.expect("hidden_act", "silu");
  return build_causal(config, spec, weights, options);
}

}  // namespace preferd::families
