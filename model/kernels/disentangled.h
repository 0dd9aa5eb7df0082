// Bidirectional attention with disentangled relative positions (DeBERTa: arXiv 2006.03654) on the CPU, fp32,
// one head of one sequence at a time:
//
//     s_ij = scale * ((q_i.k_j + q_i.pk[b(i - j)]) + k_j.pq[b(i - j)])
//     out_i = sum over j of softmax(s_i)_j v_j
//
// pk and pq are keys and queries of relative positions, b gives the row of a distance. Either may be absent.
// With a window w a query sees the keys with |i - j| < w alone; keys that no query of a block sees are skipped.
//
// q.pk and k.pq are products with those rows of the position tables that the sequence's distances reach,
// computed by the register tile; scores pick from them. k.pq is computed once [length, rows], q.pk for one
// block of queries at a time; the softmax goes over tiles of keys as in attention.h. Every sum is one chain
// in a fixed order, whatever else is in the batch.
//
// Raw pointers, no allocation; the caller provides scratch memory, one piece per thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/kernels/attention.h"

namespace preferd::kernels {

struct DisentangledShape {
  std::size_t heads = 1;
  std::size_t head_dim = 1;
  float scale = 1;
  std::int32_t window = 0;  // 0 = unlimited, otherwise a query sees itself and window - 1 keys on either side
};

// Keys and queries of relative positions: [rows, heads, head_dim], or no data.
struct RelativeTables {
  HeadRows<const float> key, query;
  std::size_t rows = 0;
  // Distance d of a query from a key, -length < d < length, has row row_of[d], which never decreases as d
  // grows; row_of points at d = 0.
  const std::int32_t* row_of = nullptr;
};

// Rows first_row.. of q, k, v and out are a sequence of `length` tokens, of which one head is computed.
struct DisentangledItem {
  std::size_t first_row = 0, length = 0, head = 0;
};

// The number of floats of scratch that attend_both_ways() needs for a sequence.
std::size_t disentangled_scratch(const DisentangledShape& shape, std::size_t length,
                                 const RelativeTables& relative);

// q, k, v, out [rows, heads, head_dim]; out aliases nothing.
void attend_both_ways(const DisentangledShape& shape, const DisentangledItem& item, HeadRows<const float> q,
                      HeadRows<const float> k, HeadRows<const float> v, const RelativeTables& relative,
                      HeadRows<float> out, float* scratch);

}  // namespace preferd::kernels
