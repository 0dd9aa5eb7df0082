// One weight with its adapter added, row by row.
#pragma once

#include <cstdint>
#include <vector>

#include "base/parallel.h"
#include "base/result.h"
#include "model/checkpoint/checkpoint_writer.h"
#include "model/checkpoint/peft.h"
#include "model/checkpoint/weights.h"

namespace preferd::convert {

// A LoRA projection in the form of what it adds to row o of its weight [rows, cols]: scale * sum over i of
// factors[o rank + i] * basis[i cols ..], in fp32, summed in the order of i.
struct RowDelta {
  std::int64_t rank = 0;
  std::vector<float> factors;  // [rows, rank]
  std::vector<float> basis;    // [rank, cols]
  float scale = 1;
  std::vector<float> gain;  // of DoRA, [rows]: the row with its delta is multiplied by it; or empty
};

// `role` kEmbedding: the roles of A and B are exchanged.
RowDelta row_delta(const checkpoint::LoraWeights& projection, checkpoint::Role role);

// Writes `mapped` (files) as `type`, with `delta` added if it is given. Each value is rounded once. Errors: a
// value that is not finite in `type`; file errors of the system.
Status write_merged(const std::string& name, const checkpoint::StoredTensor& mapped, const RowDelta* delta,
                    quant::DType type, ThreadPool& pool, checkpoint::CheckpointWriter& out);

}  // namespace preferd::convert
