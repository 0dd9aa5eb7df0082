#include "model/layers/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace preferd::layers {
namespace {

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

// YaRN: from dimension `low` on, where a frequency turns beta_fast times over the original length, to `high`,
// where it turns beta_slow times, frequencies pass from their own value to that divided by `factor`.
class Yarn {
 public:
  Yarn(const RopeConfig& c, std::int64_t dim) : factor_(static_cast<float>(c.factor)) {
    const auto d = static_cast<double>(dim);
    const auto dimension = [&](double rotations) {
      return d * std::log(c.original_max_positions / (rotations * 2 * std::numbers::pi)) /
             (2 * std::log(c.theta));
    };
    double low = dimension(c.beta_fast), high = dimension(c.beta_slow);
    if (c.truncate) low = std::floor(low), high = std::ceil(high);
    low = std::max(low, 0.0), high = std::min(high, d - 1);
    low_ = static_cast<float>(low);
    width_ = static_cast<float>(low == high ? 0.001 : high - low);
  }

  // `power`: theta^(2 i / dim).
  float operator()(float power, std::size_t i) const {
    const float own = 1 - std::clamp((static_cast<float>(i) - low_) / width_, 0.0f, 1.0f);
    return 1 / (factor_ * power) * (1 - own) + 1 / power * own;
  }

 private:
  float factor_, low_, width_;
};

std::vector<float> frequencies(const RopeConfig& config, std::int64_t dim) {
  const Yarn yarn(config, dim);
  std::vector<float> out(static_cast<std::size_t>(dim / 2));
  for (std::size_t i = 0; i < out.size(); ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(dim);
    const float power = std::pow(static_cast<float>(config.theta), exponent);
    out[i] = 1.0f / power;
    switch (config.scaling) {
      case RopeConfig::Scaling::kNone:
      case RopeConfig::Scaling::kDynamic: break;
      case RopeConfig::Scaling::kLinear: out[i] /= static_cast<float>(config.factor); break;
      case RopeConfig::Scaling::kLlama3: out[i] = llama3(out[i], config); break;
      case RopeConfig::Scaling::kYarn: out[i] = yarn(power, i); break;
    }
  }
  return out;
}

}  // namespace

RopeTable make_rope_table(const RopeConfig& config, std::int64_t head_dim, std::int64_t positions) {
  const std::vector<float> inv_freq = frequencies(config, head_dim);
  const std::size_t half = inv_freq.size(), rows = static_cast<std::size_t>(positions);
  const auto factor = static_cast<float>(config.attention_factor);
  RopeTable table{std::vector<float>(rows * half), std::vector<float>(rows * half)};
  for (std::size_t i = 0; i < half; ++i)
    for (std::size_t p = 0; p < rows; ++p) {
      const auto angle = static_cast<double>(static_cast<float>(p) * inv_freq[i]);
      table.cosine[p * half + i] = static_cast<float>(std::cos(angle)) * factor;
      table.sine[p * half + i] = static_cast<float>(std::sin(angle)) * factor;
    }
  return table;
}

}  // namespace preferd::layers
