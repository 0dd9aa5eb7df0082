// Gemma (arXiv 2403.08295): scaled embeddings, norms that multiply by 1 + weight, GeGLU, heads of a width of
// their own. transformers: models/gemma.
//
// transformers multiplies the embedding by sqrt(h) rounded to the embedding's type, and published models were
// trained so: the type that config.json names is the one that counts here. hidden_act 'gelu', which the first
// releases say, means the tanh form too.
#include <cmath>
#include <string>

#include "model/families/causal.h"
#include "model/families/families.h"
#include "model/quant/dtype.h"

namespace preferd::families {
namespace {

// The root of `hidden` in the type that the checkpoint was trained in: fp32 if config.json names none.
float read_embedding_scale(checkpoint::Fields& config, std::int64_t hidden) {
  const char* key = config.has("dtype") ? "dtype" : "torch_dtype";
  const std::string name = config.text_or(key, "float32");
  const float scale = std::sqrt(static_cast<float>(hidden));
  const auto type = quant::parse_torch_dtype(name);
  if (!type) {
    config.fail(std::string(key) + " is '" + name + "', expected 'bfloat16', 'float16' or 'float32'");
    return scale;
  }
  return quant::rounded_to(*type, scale);
}

}  // namespace

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
