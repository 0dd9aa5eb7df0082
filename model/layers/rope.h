// Rotary position embedding tables (arXiv 2104.09864), with the scalings of published Llama-like models.
//
//   inv_freq[i] = theta^(-2i / dim), then scaled
//   angle = position * inv_freq[i]
//
// Everything is fp32, as in transformers. YaRN: Peng et al., arXiv 2309.00071.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "model/checkpoint/fields.h"

namespace preferd::layers {

struct RopeConfig {
  enum class Scaling { kNone, kLinear, kDynamic, kLlama3, kYarn };
  double theta = 10000;
  Scaling scaling = Scaling::kNone;
  double factor = 1;
  double original_max_positions = 8192;              // kLlama3, kYarn
  double low_freq_factor = 1, high_freq_factor = 4;  // kLlama3
  double beta_fast = 32, beta_slow = 1;              // kYarn: rotations within the original length, from
  bool truncate = true;         // which a frequency stays, and below which it is divided;
                                // whether the dimensions there are rounded outwards
  double attention_factor = 1;  // multiplies cosines and sines
  std::int64_t longest = 0;     // the longest sequence that the table serves; 0 = any. kDynamic: beyond
                                // max_position_embeddings the base depends on the sequence's length
};

// Reads both spellings: rope_theta + rope_scaling, and rope_parameters of transformers 5; rope_scaling counts
// if it has any key. theta: where neither has one.
RopeConfig read_rope(checkpoint::Fields& config, double theta = 10000);

struct RopeTable {
  std::vector<float> cosine, sine;  // [positions, head_dim / 2]
};

RopeTable make_rope_table(const RopeConfig& config, std::int64_t head_dim, std::int64_t positions);

}  // namespace preferd::layers
