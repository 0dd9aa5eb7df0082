// Gradient of packed causal attention (attention.h) on the CPU, fp32, without the score matrix. (Recurrences:
// FlashAttention-2, arXiv 2307.08691, algorithm 2.)
//
// With s = scale * q.k, c = cap * tanh(s / cap) (or s), L the log-sum-exp of a query's visible c and p =
// exp(c - L), the gradients of out = p v for a given dOut are, with D the row sum of dOut * out:
//
//     dv = p^T dOut     ds = p (dOut v^T - D) (1 - (c / cap)^2) scale     dq = ds k     dk = ds^T q
//
// Scores are recomputed tile by tile, and only where causality and window leave something visible. Tiles of
// keys are counted from position 0 of the line, as in the forward, and walked in order; tiles of queries
// start at the first query that sees the tile of keys. One call owns all the rows that it writes, and no sum
// crosses calls, so gradients do not depend on threads or on the rest of the batch.
//
// Raw pointers, no allocation; the caller provides scratch memory, one piece per thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "model/kernels/attention.h"

namespace preferd::kernels {

// What a backward reads and writes. q, out, out_gradient and query_gradient are [rows of q, query_heads,
// head_dim]; k, v and their gradients are [rows, kv_heads, head_dim]. Nothing aliases.
struct AttentionBackward {
  HeadRows<const float> q, k, v, out, out_gradient;
  const float* log_sum_exp = nullptr;  // [rows of q, query_heads], as attend() wrote it
  float* delta = nullptr;              // [rows of q, query_heads], the D above: written, then read
  HeadRows<float> query_gradient, key_gradient, value_gradient;  // added to
};

// The number of floats of scratch that attend_backward() needs for a shape.
std::size_t attention_backward_scratch(const AttentionShape& shape);

// The items are the queries of a tree of sequences, that is, of all sequences whose lines share rows, under
// one kv head. Each may have any number of queries.
void attend_backward(const AttentionShape& shape, std::span<const AttentionItem> tree,
                     const AttentionBackward& tensors, float* scratch);

}  // namespace preferd::kernels
