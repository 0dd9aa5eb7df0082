// What ops and backends pass to each other besides tensors.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/backend/batch.h"
#include "model/backend/linear.h"
#include "model/kernels/attention.h"
#include "model/kernels/disentangled.h"
#include "model/quant/matrix.h"

namespace preferd::backend {

struct Norm {
  std::vector<float> weight;  // [width]; y = x / rms(x) * (offset + weight)
  float eps = 1e-5f;
  float offset = 0;
};

// y = (x - mean(x)) / sqrt(var(x) + eps) * weight + bias
struct LayerNorm {
  std::vector<float> weight, bias;  // [width]
  float eps = 1e-5f;
};

// Rotary tables, borrowed for the life of the backend.
struct Angles {
  std::span<const float> cosine, sine;  // [positions, dim / 2]
  std::int64_t head_dim;
  std::int64_t dim;  // even: the values of a head that are rotated, from its first on
};

// Who reads a norm: linears, or a head, whose states are fp32 on every device.
enum class Reader { kLinears, kHead };

// The row of the position tables for each distance of a query from a key, from 1 - reach to reach - 1.
struct Distances {
  std::vector<std::int32_t> rows;  // [2 reach - 1]
  std::int32_t reach = 1;          // upper limit of the batch's sequence lengths
};

// Keys and queries of relative positions as an adapter makes them: [table rows, heads * head_dim]; either may
// be undefined.
struct RelativePositions {
  std::int32_t adapter = 0;
  at::Tensor key, query;
};

// What heads read: k, v [rows, key heads * head_dim]; q [rows or pooled, query heads * head_dim].
struct QueryKeyValue {
  at::Tensor q, k, v;
};

// Causal attention over a packed batch (method: model/kernels/attention.h). The batch is borrowed.
struct CausalAttention {
  kernels::AttentionShape shape;
  const Batch& batch;
  Queries queries;
};

// Bidirectional attention with relative positions (method: model/kernels/disentangled.h); one entry of
// `relative` for each adapter of batch.runs, or none at all. Borrowed.
struct BidirectionalAttention {
  kernels::DisentangledShape shape;
  const Batch& batch;
  const Distances& distances;
  std::span<const RelativePositions> relative;
};

// One sequence of a batch, and which entry of `relative` its adapter has; unspecified if there is none. Empty
// ones are left out.
struct Sequence {
  std::int32_t first_row, length;
  std::size_t relative;
};
std::vector<Sequence> sequences(const Batch& batch, std::span<const RelativePositions> relative);

// Along each sequence, with zeros before its first and after its last token; the length stays the same.
struct Convolution {
  quant::Matrix weight;     // [out, in / groups * kernel], dense; a row holds `kernel` values per input
  std::vector<float> bias;  // [out]
  std::int64_t kernel = 1;  // odd
  std::int64_t groups = 1;  // must divide inputs and outputs: output group g reads only input group g
};

// Direction 0 starts at the first token, direction 1 at the last. No module takes an adapter.
struct BidirectionalLstm {
  std::array<Linear, 2> inputs;     // [4 hidden, in], with bias
  std::array<Linear, 2> recurrent;  // [4 hidden, hidden], with another bias
};

}  // namespace preferd::backend
