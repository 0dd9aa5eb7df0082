// InternLM 2 (arXiv 2403.17297): Llama under other names, with queries, keys and values in one matrix, head of keys
// by head of keys, and dynamic rotary positions. Its published class is a model's own code, which is not run.
#include "model/families/causal.h"
#include "model/families/families.h"

namespace preferd::families {

std::unique_ptr<Body> build_internlm2(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                      const BodyOptions& options) {
  CausalSpec spec = read_causal(config, {});
  using Scaling = layers::RopeConfig::Scaling;
  if (spec.rope.scaling != Scaling::kNone && spec.rope.scaling != Scaling::kLinear &&
      spec.rope.scaling != Scaling::kDynamic)
    config.fail("rope_type is not supported in internlm2, expected 'linear' or 'dynamic'");
  spec.names = {.embedding = "tok_embeddings",
                .output = "output",
                .attention = "attention.",
                .fused = "wqkv",
                .out = "wo",
                .mlp = "feed_forward.",
                .gate = "w1",
                .up = "w3",
                .down = "w2",
                .before_attention = "attention_norm",
                .behind_attention = "ffn_norm"};
  spec.fused = CausalSpec::Fused::kByHeads;
  spec.query_key_value_bias = spec.output_bias = config.boolean_or("bias", true);
  config.expect("hidden_act", "silu");
  return build_causal(config, spec, weights, options);
}

}  // namespace preferd::families
