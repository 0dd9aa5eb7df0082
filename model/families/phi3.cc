// Phi-3 and Phi-4-mini (arXiv 2404.14219): Llama with fused projections, LongRoPE and a window if the config says
// so. transformers: models/phi3.
#include "model/families/causal.h"
#include "model/families/families.h"

namespace preferd::families {

std::unique_ptr<Body> build_phi3(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                 const BodyOptions& options) {
  CausalSpec spec = read_causal(config, {.rope = kPhi3Rope, .eps = 1e-5});
  using Scaling = layers::RopeConfig::Scaling;
  if (spec.rope.scaling != Scaling::kNone && spec.rope.scaling != Scaling::kLong)
    config.fail("rope_type is not supported in phi3, expected 'default' or 'longrope'");
  spec.fused = CausalSpec::Fused::kInTurn;
  config.expect("hidden_act", "silu");
  spec.windows.assign(static_cast<std::size_t>(spec.layers), read_window_width(config, 0));
  return build_causal(config, spec, weights, options);
}

}  // namespace preferd::families
