// The parts of a decoder block, and of encoder blocks of the same form. They are pure functions of (hidden, batch, adapters): parameters are plain
// structs, and nothing is kept between calls. h = hidden, q = query_heads * head_dim, kv = kv_heads *
// head_dim, f = ffn.
#pragma once

#include <optional>
#include <span>
#include <variant>

#include <ATen/core/Tensor.h>

#include "model/backend/batch.h"
#include "model/kernels/attention.h"
#include "model/layers/rope.h"
#include "model/ops/attention.h"
#include "model/ops/compute.h"
#include "model/ops/linears.h"
#include "model/ops/record.h"
#include "model/ops/rows.h"

namespace preferd::layers {

struct SelfAttention {
  backend::Linear query, key, value;  // [q, h], [kv, h], [kv, h]
  // In place of the three, [q + 2 kv, h]: for each head of keys its queries, its key and its value.
  std::optional<backend::Linear> by_heads;
  backend::Linear out;  // [h, q]
  // Of the heads of queries and keys, before their rotation: [d], d any part of q and kv.
  std::optional<backend::Norm> query_norm, key_norm;
  kernels::AttentionShape shape;
  bool rotated = true;  // whether queries and keys are rotated by their positions
  // Whether a query sees the keys behind it too, all of them or those of a window on either side. Then every
  // segment is a whole sequence, there are as many heads of keys as of queries, and there is no soft-cap.
  bool both_ways = false;
};

struct GatedMlp {
  backend::Linear gate, up;  // [f, h]
  backend::Linear down;      // [h, f]
  kernels::Glu glu = kernels::Glu::kSwiGlu;
};

struct PlainMlp {
  backend::Linear up, down;  // [f, h], [h, f]
  kernels::Activation activation = kernels::Activation::kGelu;
};

// What stands between the residual stream and linears or a head that read it: nothing, or a norm.
using StreamNorm = std::variant<std::monostate, backend::Norm, backend::LayerNorm>;  // [h]

struct DecoderBlock {
  StreamNorm before_attention, before_mlp;
  std::optional<backend::Norm> after_attention, after_mlp;  // [h]
  SelfAttention attention;
  std::variant<GatedMlp, PlainMlp> mlp;
  bool parallel = false;  // the MLP reads the stream that attention reads, not the sum of both
};

// What all blocks of one forward share.
struct Forward {
  ops::Compute& compute;
  const backend::Batch& batch;
  backend::Adapters adapters;  // with runs over the rows that the block gets
  const RopeTable& rope;
  std::span<const std::int32_t> positions;  // [rows] of the batch: the rows of the table
};

// The rows of its output that a block computes: all rows, or with Queries::kPooledRows only the last rows of
// batch.pooled (both_ways: one row of each, whichever `rows` says); with the rows' indices, their positions, and the adapters' runs over them. Keys and values
// are computed for all rows in both cases.
struct OutputRows {
  backend::Queries queries = backend::Queries::kAllRows;
  std::span<const std::int32_t> rows = {}, positions = {};
  std::span<const backend::AdapterRun> pooled_runs = {};
};

// The residual stream x and the output z of a block's MLP that the next block still has to add: the sum is x
// + z, or x + after_mlp(z). Before the first block, `block` is null and z is undefined.
struct PendingResidual {
  at::Tensor x, z;
  const DecoderBlock* block = nullptr;
};

// [rows, h] -> the output rows, [.., h]. Writes no input. Runs composed or recorded too; then norms and gated
// products are recomputed in backward. `values`: whether z, the output of the block's last product, is read;
// nothing inside the block reads it. Blocks must outlive the backward.
PendingResidual decoder_block(const Forward& f, const DecoderBlock& block, const PendingResidual& in,
                              const OutputRows& output, backend::Values values);

// The states after the last block and the final norm, for a head.
at::Tensor final_states(ops::Compute& compute, const PendingResidual& in, const StreamNorm& norm);

// The norm of the stream before the first block, not recorded; the stream itself where there is none.
at::Tensor first_normed(ops::Compute& compute, const at::Tensor& x, const DecoderBlock& block);

// The residual stream and its norm, or itself where there is none, which the next block or the head reads:
// [rows, h] each.
struct Stream {
  at::Tensor x, normed;
};

// decoder_block() without recording, in the memory of the stream; the bits are the same on the CPU. Row-local
// parts run in chunks of rows, and each sum is computed in place together with the norm that follows. `next`:
// the norm after the block, for the linears of the next block, which may have none, or for a head.
Stream advance(const Forward& f, const DecoderBlock& block, Stream stream, const StreamNorm& next,
               backend::Reader reader, const OutputRows& output);

}  // namespace preferd::layers
