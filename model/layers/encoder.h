// The parts of an encoder block, whose states see the whole sequence. Pure functions of (hidden, batch,
// adapters), as those of a decoder block are (decoder.h). h = hidden, a = heads * head_dim, f = ffn.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/kernels/disentangled.h"
#include "model/ops/batch.h"
#include "model/ops/compute.h"
#include "model/ops/disentangled.h"
#include "model/ops/linears.h"
#include "model/ops/rows.h"

namespace preferd::layers {

struct DisentangledAttention {
  // What makes keys and queries of relative positions: nothing, maps of their own, or `key` and `query`.
  enum class Positions { kNone, kOwn, kShared };

  ops::Linear query, key, value;                     // [a, h]
  ops::Linear out;                                   // [h, a]
  ops::Linear own_position_key, own_position_query;  // [a, h] where kOwn
  Positions position_key = Positions::kNone, position_query = Positions::kNone;
  kernels::DisentangledShape shape;
};

struct PlainMlp {
  ops::Linear up;    // [f, h]
  ops::Linear down;  // [h, f]
  kernels::Activation activation = kernels::Activation::kGelu;
};

struct EncoderBlock {
  DisentangledAttention attention;
  ops::LayerNorm after_attention;
  PlainMlp mlp;
  ops::LayerNorm after_mlp;
};

// What every block of one forward shares.
struct EncoderForward {
  ops::Compute& compute;
  const ops::Batch& batch;
  ops::Adapters adapters;           // runs over all rows
  const ops::Distances& distances;  // they name rows of `positions`
  at::Tensor positions;             // embeddings of relative positions [table rows, h], or undefined
};

// The rows of its output that a block computes, with the adapters' runs over them; nullptr: all.
struct OutputRows {
  std::vector<std::int32_t> rows;
  std::vector<ops::AdapterRun> runs;
};

// x [rows, h] -> the output rows, [.., h]; keys and values are of all rows. Where a gradient is
// recorded the activation is made again in backward; elsewhere what is row-local goes in chunks of rows. With
// kInPlace x may be overwritten.
enum class Input { kKept, kInPlace };
at::Tensor encoder_block(const EncoderForward& f, const EncoderBlock& block, const at::Tensor& x,
                         const OutputRows* output, Input input);

}  // namespace preferd::layers
