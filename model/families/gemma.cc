// Gemma (arXiv 2403.08295): scaled embeddings, norms that multiply by 1 + weight, GeGLU, heads of a width of
// their own. hidden_act 'gelu', which the first releases say, means the tanh form too. transformers:
// models/gemma.
#include "model/families/causal.h"
#include "model/families/families.h"

namespace preferd::families {

std::unique_ptr<Body> build_gemma(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                  const BodyOptions& options) {
  CausalSpec spec = read_causal(config, {.kv_heads = 16, .head_dim = 256, .tied = true});
  spec.query_key_value_bias = spec.output_bias = config.boolean_or("attention_bias", false);
  spec.glu = kernels::Glu::kGeGlu;
  if (config.text_or("hidden_act", "") != "gelu") config.expect("hidden_act", "gelu_pytorch_tanh");
  config.expect("hidden_activation", "gelu_pytorch_tanh");
  if (config.boolean_or("use_bidirectional_attention", false))
    config.fail("use_bidirectional_attention is not supported");
  spec.embedding_scale = read_embedding_scale(config, spec.hidden);
  spec.norm_offset = 1;
  return build_causal(config, spec, weights, options);
}

}  // namespace preferd::families
