// Rotary position embedding tables (arXiv 2104.09864), with the scalings of published Llama-like models.
//
//   inv_freq[i] = theta^(-2i / dim), then scaled
//   angle = position * inv_freq[i]
//
// Everything is fp32, as in transformers.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "model/checkpoint/fields.h"

namespace preferd::layers {

struct RopeConfig {
  enum class Scaling { kNone, kLinear, kLlama3 };
  double theta = 10000;
  Scaling scaling = Scaling::kNone;
  double factor = 1;
  double low_freq_factor = 1, high_freq_factor = 4, original_max_positions = 8192;  // kLlama3
};

// Reads both spellings: rope_theta + rope_scaling, and rope_parameters of transformers 5. theta: where neither
// has one.
RopeConfig read_rope(checkpoint::Fields& config, double theta = 10000);

struct RopeTable {
  std::vector<float> cosine, sine;  // [positions, head_dim / 2]
};

RopeTable make_rope_table(const RopeConfig& config, std::int64_t head_dim, std::int64_t positions);

}  // namespace preferd::layers
