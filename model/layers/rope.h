// Rotary position embedding tables (arXiv 2104.09864), with the scalings of published Llama-like models.
//
//   inv_freq[i] = theta^(-2i / dim), then scaled; dim = the values of a head that are rotated
//   angle = position * inv_freq[i]
//
// Everything is fp32, as in transformers. YaRN: Peng et al., arXiv 2309.00071; LongRoPE: Ding et al., arXiv
// 2402.13753.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "model/backend/batch.h"
#include "model/checkpoint/fields.h"

namespace preferd::layers {

struct RopeConfig {
  enum class Scaling { kNone, kLinear, kDynamic, kLlama3, kYarn, kLong };
  double theta = 10000;
  Scaling scaling = Scaling::kNone;
  double factor = 1;
  double original_max_positions = 8192;              // kLlama3, kYarn, kLong
  double low_freq_factor = 1, high_freq_factor = 4;  // kLlama3
  double beta_fast = 32, beta_slow = 1;              // kYarn: rotations within the original length, from
  bool truncate = true;                             // which a frequency stays, and below which it is divided;
                                                    // whether the dimensions there are rounded outwards
  std::vector<double> short_factors, long_factors;  // kLong: by which frequencies are divided in sequences
                                                    // up to the original length, and in longer ones
  double rotated = 1;                               // the part of a head that is rotated, from its start
  double attention_factor = 1;                      // multiplies cosines and sines
  std::int64_t longest = 0;  // the longest sequence that the table serves; 0 = any. kDynamic: beyond
                             // max_position_embeddings the base depends on the sequence's length
};

// What a family does where config.json has nothing, and what it calls things.
struct RopeDefaults {
  double theta = 10000;
  std::optional<double> rotated = std::nullopt;  // none: heads are rotated whole, whatever config.json says
  const char *theta_key = "rope_theta", *rotated_key = "partial_rotary_factor";  // beside the object
  double original = 0;  // the original length if none stands beside the object, whatever is in it; 0: that in
                        // it, or max_position_embeddings
  std::array<const char*, 2> long_names = {"longrope", "longrope"};  // other names of longrope
};

// Reads both spellings: rope_theta + rope_scaling, and rope_parameters of transformers 5; rope_scaling counts
// if it has any key.
RopeConfig read_rope(checkpoint::Fields& config, const RopeDefaults& defaults = {});

// The number of values of a head that are rotated; even, at most head_dim.
std::int64_t rotary_dim(const RopeConfig& config, std::int64_t head_dim);

// Fails if heads of that width cannot be rotated so.
void check_rope(checkpoint::Fields& config, const RopeConfig& rope, std::int64_t head_dim);

// Whether a sequence's length decides how it is rotated, if it may have that many positions. Then sequences
// that begin alike have no common prefix.
bool depends_on_length(const RopeConfig& config, std::int64_t positions);

struct RopeTable {
  std::vector<float> cosine, sine;  // [positions, dim / 2], with depends_on_length() twice as many: a second
                                    // table for long sequences follows the first
  std::int64_t dim = 0;
  std::int32_t positions = 0, long_from = 0;  // sequences of at least long_from use the second; 0 = none
};

RopeTable make_rope_table(const RopeConfig& config, std::int64_t head_dim, std::int64_t positions);

// The row of the table for each row of the batch. With a second table every segment is a whole sequence.
std::vector<std::int32_t> rope_rows(const RopeTable& table, const backend::Batch& batch);

}  // namespace preferd::layers
