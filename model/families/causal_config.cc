// What config.json says of every causal decoder.
#include <cmath>
#include <string>

#include "model/families/causal.h"
#include "model/quant/dtype.h"

namespace preferd::families {
namespace {

constexpr std::int64_t kMax = std::int64_t{1} << 24;

}  // namespace

CausalSpec read_causal(checkpoint::Fields& config, const CausalDefaults& defaults) {
  CausalSpec s;
  s.hidden = config.integer("hidden_size", 1, kMax);
  s.ffn = config.integer("intermediate_size", 1, kMax);
  s.layers = config.integer("num_hidden_layers", 1, 4096);
  s.heads = config.integer("num_attention_heads", 1, 4096);
  const bool absent = !config.json().contains("num_key_value_heads");
  s.kv_heads = config.integer_or("num_key_value_heads",
                                 absent && defaults.kv_heads > 0 ? defaults.kv_heads : s.heads, 1, 4096);
  s.head_dim =
      config.integer_or("head_dim", defaults.head_dim > 0 ? defaults.head_dim : s.hidden / s.heads, 2, 1024);
  s.vocabulary = config.integer("vocab_size", 1, kMax);
  s.eps = static_cast<float>(config.number_or(defaults.eps_key, defaults.eps));
  s.tied = config.boolean_or("tie_word_embeddings", defaults.tied);
  s.rope = layers::read_rope(config, defaults.rope);
  s.attention_scale = 1.0f / std::sqrt(static_cast<float>(s.head_dim));
  s.windows.assign(static_cast<std::size_t>(s.layers), 0);
  if (s.heads % s.kv_heads != 0)
    config.fail("num_key_value_heads is " + std::to_string(s.kv_heads) +
                ", which does not divide num_attention_heads, " + std::to_string(s.heads));
  if (s.head_dim == 0)
    config.fail("hidden_size is " + std::to_string(s.hidden) + ", below num_attention_heads, " +
                std::to_string(s.heads));
  layers::check_rope(config, s.rope, s.head_dim);
  return s;
}

layers::RopeConfig read_layer_rope(checkpoint::Fields& config, const LayerRope& of) {
  const Json& all = config.json();
  const bool full = of.type == std::string("full_attention");
  Json own = {{"rope_parameters", Json::object()}};
  if (config.has("rope_parameters") && all["rope_parameters"].is_object()) {
    const Json& types = all["rope_parameters"];
    if (types.contains(of.type))
      own["rope_parameters"] = types[of.type];
    else
      config.fail("rope_parameters has no " + std::string(of.type));
  }
  if (config.has(of.theta_key)) own["rope_theta"] = all[of.theta_key];
  if (full && config.has("rope_scaling") && all["rope_scaling"].is_object())
    own["rope_parameters"].update(all["rope_scaling"]);
  if (config.has("max_position_embeddings")) own["max_position_embeddings"] = all["max_position_embeddings"];
  checkpoint::Fields fields(own, of.type);
  const layers::RopeConfig rope = layers::read_rope(fields, {.theta = of.theta});
  if (rope.scaling == layers::RopeConfig::Scaling::kLong)
    fields.fail("rope_type 'longrope' is not supported");
  if (!rope.truncate)
    fields.fail("truncate is false, expected true: transformers reads none in a layer type");
  if (const Status status = fields.status(); !status) config.fail(status.error().what);
  return rope;
}

std::int64_t read_window_width(checkpoint::Fields& config, std::int64_t fallback) {
  if (!config.json().contains("sliding_window")) return fallback;
  return config.integer_or("sliding_window", 0, 1, kMax);
}

std::vector<std::int64_t> read_windows(checkpoint::Fields& config, std::int64_t layers, std::int64_t width,
                                       const std::function<bool(std::int64_t layer)>& slides) {
  std::vector<std::int64_t> windows;
  if (!config.has("layer_types")) {
    for (std::int64_t i = 0; i < layers; ++i) windows.push_back(slides(i) ? width : 0);
    return windows;
  }
  const Json& types = config.json()["layer_types"];
  if (!types.is_array() || static_cast<std::int64_t>(types.size()) != layers) {
    config.fail("layer_types is " + describe(types) +
                (types.is_array() ? " of " + std::to_string(types.size()) : "") +
                ", expected an array of num_hidden_layers entries, " + std::to_string(layers));
    return std::vector<std::int64_t>(static_cast<std::size_t>(layers));
  }
  for (const Json& type : types) {
    const std::string name = type.is_string() ? type.get<std::string>() : "";
    const bool sliding = name == "sliding_attention";
    if (!sliding && name != "full_attention")
      config.fail("layer_types has " + describe(type) + ", expected 'sliding_attention' or 'full_attention'");
    if (sliding && width == 0)
      config.fail("layer_types has 'sliding_attention', but sliding_window or use_sliding_window says none");
    windows.push_back(sliding ? width : 0);
  }
  return windows;
}

float read_embedding_scale(checkpoint::Fields& config, std::int64_t hidden) {
  const char* key = config.has("dtype") ? "dtype" : "torch_dtype";
  const std::string name = config.text_or(key, "float32");
  const float scale = std::sqrt(static_cast<float>(hidden));
  const auto type = quant::parse_torch_dtype(name);
  if (type) return quant::rounded_to(*type, scale);
  config.fail(std::string(key) + " is '" + name + "', expected 'bfloat16', 'float16' or 'float32'");
  return scale;
}

std::vector<std::int64_t> read_qwen_windows(checkpoint::Fields& config, std::int64_t layers) {
  const std::int64_t width =
      config.boolean_or("use_sliding_window", false) ? read_window_width(config, 4096) : 0;
  const std::int64_t first = config.integer_or("max_window_layers", 28, 0, 4096);
  return read_windows(config, layers, width, [first](std::int64_t layer) { return layer >= first; });
}

void expect_plain_heads(checkpoint::Fields& config, const CausalSpec& spec, const std::string& family) {
  if (spec.kv_heads != spec.heads || spec.heads * spec.head_dim != spec.hidden)
    config.fail("num_key_value_heads or head_dim is not supported in " + family +
                ": num_attention_heads heads share hidden_size");
}

}  // namespace preferd::families
