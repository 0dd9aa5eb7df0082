// config.json of DeBERTa v2 and v3; defaults as in transformers' DebertaV2Config and its modules.
#pragma once

#include <cstdint>

#include "model/families/body.h"
#include "model/kernels/rows.h"

namespace preferd::families {

struct DebertaV2Config {
  std::int64_t vocabulary = 0, hidden = 0, embedding = 0, heads = 1, ffn = 0;
  std::int64_t places = 0, types = 0;  // rows of the tables of absolute positions and token types; 0 = no
                                       // table
  float eps = 1e-7f;
  kernels::Activation activation = kernels::Activation::kGelu;

  bool relative = false;                   // whether relative positions are used
  std::int64_t buckets = 0, farthest = 0;  // layers/buckets.h
  bool norm_positions = false, share_key = false;
  bool content_to_position = false, position_to_content = false;  // also scale the scores without `relative`

  std::int64_t kernel = 0, kernel_groups = 1;  // for the convolution; kernel 0 = none
  kernels::Activation kernel_activation = kernels::Activation::kTanh;
};

// Failures are added to `config`.
DebertaV2Config read_deberta_v2(checkpoint::Fields& config, const BodyOptions& options);

}  // namespace preferd::families
