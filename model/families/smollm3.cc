// SmolLM3: Llama with layers that positions do not rotate, by default every fourth (NoPE: Yang et al.: Rope to
// Nope and Back Again, arXiv 2501.18795); windows, if there are any, are in those. transformers: models/smollm3.
#include "model/families/causal.h"
#include "model/families/families.h"

namespace preferd::families {
namespace {

// no_rope_layers has, despite its name, 1 for each layer that is rotated.
std::vector<bool> read_rotated(checkpoint::Fields& config, std::int64_t layers) {
  std::vector<bool> rotated;
  if (!config.has("no_rope_layers")) {
    const std::int64_t interval = config.integer_or("no_rope_layer_interval", 4, 1, 4096);
    for (std::int64_t i = 0; i < layers; ++i) rotated.push_back((i + 1) % interval != 0);
    return rotated;
  }
  const Json& given = config.json()["no_rope_layers"];
  if (!given.is_array() || static_cast<std::int64_t>(given.size()) != layers) {
    config.fail("no_rope_layers is " + describe(given) +
                (given.is_array() ? " of " + std::to_string(given.size()) : "") +
                ", expected an array of num_hidden_layers entries, " + std::to_string(layers));
    return std::vector<bool>(static_cast<std::size_t>(layers));
  }
  for (const Json& layer : given) {
    if (layer != 0 && layer != 1) config.fail("no_rope_layers has " + describe(layer) + ", expected 0 or 1");
    rotated.push_back(layer == 1);
  }
  return rotated;
}

}  // namespace

std::unique_ptr<Body> build_smollm3(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                    const BodyOptions& options) {
  CausalSpec spec = read_causal(config, {.kv_heads = 4, .tied = true, .rope = {.theta = 2000000}});
  spec.query_key_value_bias = spec.output_bias = config.boolean_or("attention_bias", false);
  spec.mlp_bias = config.boolean_or("mlp_bias", false);
  config.expect("hidden_act", "silu");
  spec.rotated = read_rotated(config, spec.layers);
  const std::int64_t width =
      config.boolean_or("use_sliding_window", false) ? read_window_width(config, 0) : 0;
  spec.windows = read_windows(config, spec.layers, width, [&spec](std::int64_t layer) {
    return !spec.rotated[static_cast<std::size_t>(layer)];
  });
  return build_causal(config, spec, weights, options);
}

}  // namespace preferd::families
