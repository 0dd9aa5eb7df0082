#include "model/layers/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>

#include "base/check.h"

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

// `factors`: those of kLong.
std::vector<float> frequencies(const RopeConfig& config, std::int64_t dim, std::span<const double> factors) {
  const Yarn yarn(config, dim);
  std::vector<float> out(static_cast<std::size_t>((dim + 1) / 2));
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
      case RopeConfig::Scaling::kLong: out[i] = 1.0f / (static_cast<float>(factors[i]) * power); break;
    }
  }
  return out;
}

// Appends the rows of all positions.
void append(RopeTable& table, std::span<const float> inv_freq, std::int64_t positions, float factor) {
  const std::size_t half = inv_freq.size(), first = table.cosine.size(),
                    rows = static_cast<std::size_t>(positions);
  table.cosine.resize(first + rows * half);
  table.sine.resize(first + rows * half);
  for (std::size_t i = 0; i < half; ++i)
    for (std::size_t p = 0; p < rows; ++p) {
      const auto angle = static_cast<double>(static_cast<float>(p) * inv_freq[i]);
      table.cosine[first + p * half + i] = static_cast<float>(std::cos(angle)) * factor;
      table.sine[first + p * half + i] = static_cast<float>(std::sin(angle)) * factor;
    }
}

// As transformers counts: an odd number of values is rotated as one more.
std::int64_t given_dim(const RopeConfig& config, std::int64_t head_dim) {
  return static_cast<std::int64_t>(static_cast<double>(head_dim) * config.rotated);
}

}  // namespace

std::int64_t rotary_dim(const RopeConfig& config, std::int64_t head_dim) {
  return (given_dim(config, head_dim) + 1) / 2 * 2;
}

bool depends_on_length(const RopeConfig& config, std::int64_t positions) {
  return config.scaling == RopeConfig::Scaling::kLong &&
         static_cast<double>(positions) > config.original_max_positions;
}

RopeTable make_rope_table(const RopeConfig& config, std::int64_t head_dim, std::int64_t positions) {
  const std::int64_t dim = given_dim(config, head_dim);
  const auto factor = static_cast<float>(config.attention_factor);
  RopeTable table;
  table.dim = rotary_dim(config, head_dim);
  table.positions = static_cast<std::int32_t>(positions);
  append(table, frequencies(config, dim, config.short_factors), positions, factor);
  if (!depends_on_length(config, positions)) return table;
  table.long_from = static_cast<std::int32_t>(config.original_max_positions) + 1;
  append(table, frequencies(config, dim, config.long_factors), positions, factor);
  return table;
}

std::vector<std::int32_t> rope_rows(const RopeTable& table, const backend::Batch& batch) {
  std::vector<std::int32_t> rows = batch.positions;
  if (table.long_from == 0) return rows;
  for (std::size_t s = 0; s < batch.parent.size(); ++s) {
    PREFERD_CHECK(batch.parent[s] < 0);
    const std::int32_t first = batch.offsets[s], end = batch.offsets[s + 1];
    if (end - first < table.long_from) continue;
    for (std::int32_t row = first; row < end; ++row) rows[static_cast<std::size_t>(row)] += table.positions;
  }
  return rows;
}

}  // namespace preferd::layers
