// Causal attention over packed sequences on the CPU, fp32: out = softmax(cap(scale * q k^T)) v, without ever
// forming the score matrix. (Online softmax: Milakov and Gimelshein, arXiv 1805.02867; tiling:
// FlashAttention, arXiv 2205.14135.)
//
// A sequence has one line of keys, from position 0 upward: first the keys of its parents, then its own. Keys
// are processed in tiles of kKeyTile, counted from position 0, in order; the result for a query depends only
// on its own line. So the bits of a result are the same alone, in any batch, on any thread, with a shared or
// a recomputed prefix, and on AVX2 and AVX-512.
//
// Raw pointers, no allocation; the caller provides scratch memory, one piece per thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace preferd::kernels {

inline constexpr std::size_t kKeyTile = 96;  // keys of one softmax step; a multiple of 6 and 8, the rows of a
                                             // register tile

struct AttentionShape {
  std::size_t query_heads = 1;
  std::size_t kv_heads = 1;  // must divide query_heads
  std::size_t head_dim = 1;
  float scale = 1;          // multiplies q.k
  float softcap = 0;        // 0 = off, otherwise s -> cap * tanh(s / cap)
  std::int32_t window = 0;  // 0 = unlimited, otherwise a query sees itself and window - 1 keys before it
};

// Rows of a tensor [rows, heads, head_dim] with a row stride in elements.
template <class T>
struct HeadRows {
  T* data = nullptr;
  std::size_t stride = 0;
};

// Consecutive rows of k and v that are part of a sequence's line of keys.
struct KeyRun {
  std::int32_t first_row = 0;
  std::int32_t count = 0;
};

// The queries of one sequence that one call computes, at most query_tile(): rows first_query.. of q and out,
// at positions first_position.. of the line that `runs` make.
struct AttentionItem {
  std::span<const KeyRun> runs;
  std::int32_t first_query = 0;
  std::int32_t first_position = 0;
  std::int32_t queries = 0;
  std::size_t kv_head = 0;  // its query_heads / kv_heads query heads are computed
};

// The largest number of queries in an item: as many as give at most kQueryColumns columns, one for each query
// head of a kv head; at least one.
inline constexpr std::size_t kQueryColumns = 96;
std::size_t query_tile(const AttentionShape& shape);

// The number of floats of scratch that attend() needs for a shape.
std::size_t attention_scratch(const AttentionShape& shape);

// q, out [rows, query_heads, head_dim]; k, v [rows, kv_heads, head_dim]; out aliases nothing. log_sum_exp:
// nullptr, or [rows of q, query_heads]: ln of the sum over visible keys of exp(score), which the backward
// needs.
void attend(const AttentionShape& shape, const AttentionItem& item, HeadRows<const float> q,
            HeadRows<const float> k, HeadRows<const float> v, HeadRows<float> out, float* scratch,
            float* log_sum_exp = nullptr);

}  // namespace preferd::kernels
