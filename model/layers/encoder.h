// The parts of an encoder block, whose states see the whole sequence. Pure functions of (hidden, batch,
// adapters), as those of a decoder block are (decoder.h). h = hidden, a = heads * head_dim, f = ffn.
#pragma once

#include <span>

#include <ATen/core/Tensor.h>

#include "model/kernels/disentangled.h"
#include "model/ops/batch.h"
#include "model/ops/compute.h"
#include "model/ops/disentangled.h"
#include "model/ops/linears.h"
#include "model/ops/rows.h"

namespace preferd {

struct DisentangledAttention {
  // What makes keys and queries of relative positions: nothing, maps of their own, or `key` and `query`.
  enum class Positions { kNone, kOwn, kShared };

  Linear query, key, value;                     // [a, h]
  Linear out;                                   // [h, a]
  Linear own_position_key, own_position_query;  // [a, h] where kOwn
  Positions position_key = Positions::kNone, position_query = Positions::kNone;
  kernels::DisentangledShape shape;
};

// x [rows, h] -> [rows, h]. `positions`: the embeddings of relative positions that `distances` names rows of,
// [table rows, h], or undefined.
at::Tensor disentangled_attention(Compute& compute, const DisentangledAttention& layer, const Batch& batch,
                                  const Adapters& adapters, const Distances& distances,
                                  const at::Tensor& positions, const at::Tensor& x);

struct PlainMlp {
  Linear up;    // [f, h]
  Linear down;  // [h, f]
  kernels::Bend bend = kernels::Bend::kGelu;
};

// x [rows, h] -> down(bend(up x)), in chunks of rows so that no [rows, f] buffer exists; where a gradient is
// recorded in one piece, the bend made again in backward.
at::Tensor plain_mlp(Compute& compute, const PlainMlp& layer, const at::Tensor& x, const Adapters& adapters);

}  // namespace preferd
