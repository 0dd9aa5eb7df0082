// attend() (model/kernels/attention.h) with both of its products in integers (model/kernels/int_gemm.h):
// queries and keys are quantized before they are multiplied, and so are weights and values. Softmax, cap and
// the sums of tiles are fp32.
//
// A key's values share one scale. It is folded into the key's weight, w_j = scale_j exp(score_j - top), and
// the w of one query over a tile are quantized to +-8191 relative to the largest. So a scale depends only on
// what the query sees, and the promises of attend() hold: the same bits in any batch, with a prefix shared or
// not, and on every instruction set.
//
// Raw pointers, no allocation; the caller provides scratch memory, one piece per thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/kernels/attention.h"

namespace preferd::kernels {

inline constexpr std::size_t kIntKeyTile = 128;  // keys of one softmax step: whole tiles of AMX
inline constexpr std::size_t kMaxIntHead = 256;  // head_dim

// Quantized rows of all heads: one scale and one group of levels per head. Keys are laid out as x, queries as
// a panel (int_gemm.h); values stay as they are, [rows, heads, head_dim].
//
// The largest levels that keep sums in int32: queries +-8191; keys like weights in a group of head_dim
// values, values like weights in a group of kIntKeyTile (model/quant/int_groups.h).
struct QuantizedHeads {
  const std::int16_t* levels = nullptr;
  std::size_t row_stride = 0, head_stride = 0;
  const float* scales = nullptr;
  std::size_t scale_stride = 0;  // between rows; heads are side by side

  const std::int16_t* at(std::size_t row, std::size_t head) const {
    return levels + row * row_stride + head * head_stride;
  }
  float scale(std::size_t row, std::size_t head) const { return scales[row * scale_stride + head]; }
};

// The largest number of queries in an item: as many as give at most kIntColumns columns, one for each query
// head of a kv head; at least one.
inline constexpr std::size_t kIntColumns = 192;
std::size_t int_query_tile(const AttentionShape& shape);

// The number of floats of scratch that attend_ints() needs for a shape.
std::size_t int_attention_scratch(const AttentionShape& shape);

// q has only the item's queries and query heads, both counted from 0. Requires head_dim <= kMaxIntHead. A
// scale that is NaN makes everything that sees it NaN; where values are not finite, their key's scale must
// not be finite either.
void attend_ints(const AttentionShape& shape, const AttentionItem& item, const QuantizedHeads& q,
                 const QuantizedHeads& k, const QuantizedHeads& v, HeadRows<float> out, float* scratch);

}  // namespace preferd::kernels
