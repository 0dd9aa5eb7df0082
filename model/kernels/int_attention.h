// attend() (model/kernels/attention.h) with both of its products in integers (model/kernels/int_gemm.h):
// queries and keys are rounded before they meet, weights before they meet the values. Softmax, cap and sums
// of tiles are fp32.
//
// A key's values share one scale. It goes to the key's weight, w_j = scale_j exp(score_j - top), and a tile's
// w of one query are rounded to +-8191 of the largest. So a scale depends on what the query sees alone, and
// the promises of attend() hold: the same bits in any batch, with a prefix shared or not, and on every
// instruction set.
//
// Raw pointers, no allocation; scratch is the caller's, one a thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/kernels/attention.h"

namespace preferd::kernels {

inline constexpr std::size_t kIntKeyTile = 128;  // keys of one softmax step: whole tiles of AMX
inline constexpr std::size_t kMaxIntHead = 256;  // head_dim

// Rounded rows of all heads: a scale and a group of levels a head. Keys are laid out as x, queries as a
// panel (gemm_levels.h); values lie as they are, [rows, heads, head_dim].
//
// Largest levels that keep sums in int32: queries +-8191; keys as weights of head_dim values, values as
// weights of kIntKeyTile have it (model/quant/int_groups.h).
struct QuantizedHeads {
  const std::int16_t* levels = nullptr;
  std::size_t row_stride = 0, head_stride = 0;
  const float* scales = nullptr;
  std::size_t scale_stride = 0;  // of a row; heads are side by side

  const std::int16_t* at(std::size_t row, std::size_t head) const {
    return levels + row * row_stride + head * head_stride;
  }
  float scale(std::size_t row, std::size_t head) const { return scales[row * scale_stride + head]; }
};

// Most queries of an item: so many that, one for each query head of a kv head, they are kIntColumns or a
// few less; one at least.
inline constexpr std::size_t kIntColumns = 192;
std::size_t int_query_tile(const AttentionShape& shape);

// Floats of scratch that attend_ints() needs for a shape.
std::size_t int_attention_scratch(const AttentionShape& shape);

// q has the item's queries and query heads alone, both from 0 on. Requires head_dim <= kMaxIntHead. A
// scale that is NaN makes what sees it NaN; where values are not finite, their key's scale has to be.
void attend_ints(const AttentionShape& shape, const AttentionItem& item, const QuantizedHeads& q,
                 const QuantizedHeads& k, const QuantizedHeads& v, HeadRows<float> out, float* scratch);

}  // namespace preferd::kernels
