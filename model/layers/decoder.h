// The parts of a decoder block. Pure functions of (hidden, batch, adapters): parameters are plain structs,
// nothing is kept between calls. h = hidden, q = query_heads * head_dim, kv = kv_heads * head_dim, f = ffn.
#pragma once

#include <optional>
#include <span>

#include <ATen/core/Tensor.h>

#include "model/kernels/attention.h"
#include "model/layers/rope.h"
#include "model/ops/attention.h"
#include "model/ops/batch.h"
#include "model/ops/compute.h"
#include "model/ops/linears.h"
#include "model/ops/record.h"
#include "model/ops/rows.h"

namespace preferd::layers {

struct SelfAttention {
  ops::Linear query, key, value;  // [q, h], [kv, h], [kv, h]
  ops::Linear out;                // [h, q]
  kernels::AttentionShape shape;
};

struct GatedMlp {
  ops::Linear gate, up;  // [f, h]
  ops::Linear down;      // [h, f]
  kernels::Glu glu = kernels::Glu::kSwiGlu;
};

struct DecoderBlock {
  ops::Norm before_attention, before_mlp;               // [h]
  std::optional<ops::Norm> after_attention, after_mlp;  // [h]
  SelfAttention attention;
  GatedMlp mlp;
};

// What every block of one forward shares.
struct Forward {
  ops::Compute& compute;
  const ops::Batch& batch;
  ops::Adapters adapters;  // runs over the rows that the block gets
  const RopeTable& rope;
};

// The rows of its output that a block computes: all, or with Queries::kPooledRows the last ones of batch.pooled alone: which they
// are, their positions, and the adapters' runs over them. Keys and values are of all rows in both cases.
struct OutputRows {
  ops::Queries queries = ops::Queries::kAllRows;
  std::span<const std::int32_t> rows = {}, positions = {};
  std::span<const ops::AdapterRun> pooled_runs = {};
};

// The residual stream and what a block's MLP made of it, which is added to it by the next block: x + z, or x
// + after_mlp(z). `block`: null and z undefined before the first one.
struct PendingResidual {
  at::Tensor x, z;
  const DecoderBlock* block = nullptr;
};

// [rows, h] -> the output rows, [.., h]. Writes nothing; composed or recorded too, then norms and
// gated products are made again in backward. values: of z, the last product, which nothing within reads.
// Blocks outlive the backward.
PendingResidual decoder_block(const Forward& f, const DecoderBlock& block, const PendingResidual& in,
                              const OutputRows& output, ops::Values values);

// The states behind the last block and the final norm, for a head.
at::Tensor final_states(ops::Compute& compute, const PendingResidual& in, const ops::Norm& norm);

// The residual stream and the norm of it that the next block, or the head, reads: [rows, h] each.
struct Stream {
  at::Tensor x, normed;
};

// The same where nothing is recorded, bit for bit on the CPU, in memory of the stream: what is row-local goes
// in chunks of rows, sums are made in place and each with the norm that follows. `next`: the norm behind the
// block, for the linears of the next one or a head.
Stream advance(const Forward& f, const DecoderBlock& block, Stream stream, const ops::Norm& next,
               ops::Reader reader, const OutputRows& output);

}  // namespace preferd::layers
