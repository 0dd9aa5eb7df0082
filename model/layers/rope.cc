#include "model/layers/rope.h"

#include <cmath>
#include <numbers>

namespace preferd::layers {
namespace {

void read_scaling(checkpoint::Fields& rope, RopeConfig& out) {
  const std::string type = rope.text_or("rope_type", rope.text_or("type", "default"));
  if (rope.has("partial_rotary_factor") && rope.number_or("partial_rotary_factor", 1) != 1.0)
    rope.fail("partial_rotary_factor is not supported");
  if (type == "default") return;
  if (type == "linear") {
    out.scaling = RopeConfig::Scaling::kLinear;
    out.factor = rope.number("factor");
  } else if (type == "llama3") {
    out.scaling = RopeConfig::Scaling::kLlama3;
    out.factor = rope.number("factor");
    out.low_freq_factor = rope.number("low_freq_factor");
    out.high_freq_factor = rope.number("high_freq_factor");
    out.original_max_positions = rope.number("original_max_position_embeddings");
  } else {
    rope.fail("rope_type '" + type + "' is not supported; known are default, linear, llama3");
    return;
  }
  if (!(out.factor > 0)) rope.fail("factor is not above 0");
}

// Llama 3: low frequencies are divided by `factor`, high ones stay, and those in between are blended.
float llama3(float inv_freq, const RopeConfig& c) {
  const double original = c.original_max_positions;
  const auto wave = static_cast<float>(2 * std::numbers::pi / static_cast<double>(inv_freq));
  const double longest = original / c.low_freq_factor, shortest = original / c.high_freq_factor;
  if (wave > longest) return inv_freq / static_cast<float>(c.factor);
  if (wave < shortest) return inv_freq;
  const float smooth = (static_cast<float>(original) / wave - static_cast<float>(c.low_freq_factor)) /
                       static_cast<float>(c.high_freq_factor - c.low_freq_factor);
  return (1 - smooth) * inv_freq / static_cast<float>(c.factor) + smooth * inv_freq;
}

}  // namespace

RopeConfig read_rope(checkpoint::Fields& config, double theta) {
  RopeConfig out;
  out.theta = config.number_or("rope_theta", theta);
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (!config.has(key)) continue;
    const Json& object = config.json()[key];
    if (!object.is_object()) {
      config.fail(std::string(key) + " is " + describe(object) + ", expected an object");
      continue;
    }
    checkpoint::Fields rope(object, key);
    out.theta = rope.number_or("rope_theta", out.theta);
    read_scaling(rope, out);
    const Status status = rope.status();
    if (!status) config.fail(status.error().what);
  }
  if (!(out.theta > 0)) config.fail("rope_theta is not above 0");
  return out;
}

RopeTable make_rope_table(const RopeConfig& config, std::int64_t head_dim, std::int64_t positions) {
  const auto half = static_cast<std::size_t>(head_dim / 2), rows = static_cast<std::size_t>(positions);
  RopeTable table{std::vector<float>(rows * half), std::vector<float>(rows * half)};
  for (std::size_t i = 0; i < half; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
    float inv_freq = 1.0f / std::pow(static_cast<float>(config.theta), exponent);
    if (config.scaling == RopeConfig::Scaling::kLinear) inv_freq /= static_cast<float>(config.factor);
    if (config.scaling == RopeConfig::Scaling::kLlama3) inv_freq = llama3(inv_freq, config);
    for (std::size_t p = 0; p < rows; ++p) {
      const float angle = static_cast<float>(p) * inv_freq;
      table.cosine[p * half + i] = static_cast<float>(std::cos(static_cast<double>(angle)));
      table.sine[p * half + i] = static_cast<float>(std::sin(static_cast<double>(angle)));
    }
  }
  return table;
}

}  // namespace preferd::layers
