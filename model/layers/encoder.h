// The parts of an encoder block, whose states see the whole sequence. They are pure functions of (hidden,
// batch, adapters), like those of a decoder block (decoder.h). h = hidden, a = heads * head_dim, f = ffn.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/backend/batch.h"
#include "model/kernels/disentangled.h"
#include "model/ops/compute.h"
#include "model/ops/encoders.h"
#include "model/ops/linears.h"
#include "model/ops/rows.h"

namespace preferd::layers {

struct DisentangledAttention {
  // What makes the keys and queries of relative positions: nothing, linears of their own, or `key` and
  // `query`.
  enum class Positions { kNone, kOwn, kShared };

  backend::Linear query, key, value;                     // [a, h]
  backend::Linear out;                                   // [h, a]
  backend::Linear own_position_key, own_position_query;  // [a, h] with kOwn
  Positions position_key = Positions::kNone, position_query = Positions::kNone;
  kernels::DisentangledShape shape;
};

struct PlainMlp {
  backend::Linear up;    // [f, h]
  backend::Linear down;  // [h, f]
  kernels::Activation activation = kernels::Activation::kGelu;
};

struct EncoderBlock {
  DisentangledAttention attention;
  backend::LayerNorm after_attention;
  PlainMlp mlp;
  backend::LayerNorm after_mlp;
};

// What all blocks of one forward share.
struct EncoderForward {
  ops::Compute& compute;
  const backend::Batch& batch;
  backend::Adapters adapters;           // with runs over all rows
  const backend::Distances& distances;  // as rows of `positions`
  at::Tensor positions;                 // embeddings of relative positions [table rows, h], or undefined
};

// The type of each row of a batch without parents: 0, or 1 behind the first occurrence of `second_after` in
// its segment.
std::vector<std::int32_t> token_types(const backend::Batch& batch, std::optional<std::int32_t> second_after);

// The rows of its output that a block computes, with the adapters' runs over them; nullptr: all rows.
struct PooledRows {
  std::vector<std::int32_t> rows;
  std::vector<backend::AdapterRun> runs;
};

// x [rows, h] -> the output rows, [.., h]; keys and values are computed for all rows. If a gradient is
// recorded, the activation is recomputed in backward; otherwise row-local parts run in chunks of rows. With
// kInPlace x may be overwritten.
enum class Input { kKept, kInPlace };
at::Tensor encoder_block(const EncoderForward& f, const EncoderBlock& block, const at::Tensor& x,
                         const PooledRows* output, Input input);

}  // namespace preferd::layers
