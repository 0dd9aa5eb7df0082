// The parts of a decoder block. Pure functions of (hidden, batch, adapters): parameters are plain structs,
// nothing is kept between calls. h = hidden, q = query_heads * head_dim, kv = kv_heads * head_dim, f = ffn.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/kernels/attention.h"
#include "model/layers/rope.h"
#include "model/ops/attention.h"
#include "model/ops/batch.h"
#include "model/ops/compute.h"
#include "model/ops/linears.h"
#include "model/ops/rows.h"

namespace preferd {

struct SelfAttention {
  Linear query, key, value;  // [q, h], [kv, h], [kv, h]
  Linear out;                // [h, q]
  kernels::AttentionShape shape;
};

struct GatedMlp {
  Linear gate, up;  // [f, h]
  Linear down;      // [h, f]
  kernels::Glu glu = kernels::Glu::kSwiGlu;
};

// What every block of one forward shares.
struct Forward {
  Compute& compute;
  const Batch& batch;
  Adapters adapters;  // runs over the rows that the block gets
  const RopeTable& rope;
};

// The norm of x, made again in backward where a gradient is recorded. `norm` outlives the backward.
Operand normed(Compute& compute, const Norm& norm, const at::Tensor& x);

// x [rows, h] -> [rows, h], or with Queries::kPooledRows [pooled, h]: keys and values of all rows, queries
// and outputs of the pooled ones alone. `pooled_runs`: the adapters' runs over those.
at::Tensor self_attention(const Forward& f, const SelfAttention& layer, const Operand& x, Queries queries,
                          std::span<const AdapterRun> pooled_runs);

// x [rows, h] -> down(glu(gate x, up x)), computed in chunks of rows so that no [rows, 2 f] buffer exists;
// where a gradient is recorded in one piece, the product made again in backward.
at::Tensor gated_mlp(Compute& compute, const GatedMlp& layer, const Operand& x, const Adapters& adapters);

}  // namespace preferd
