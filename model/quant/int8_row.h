// LLM.int8 weights (arXiv 2208.07339): int8 codes with one scale per row.
//   SCB[row] = max |w|,  code = rint(w * (127 / SCB)), ties to even,  value = code * SCB * (1 / 127)
//
// 127 / SCB is computed as (1 / SCB) * 127, rounded twice: PyTorch does so, and it decides exact ties.
#pragma once

#include "base/parallel.h"
#include "model/quant/matrix.h"

namespace preferd::quant {

enum class Int8Source {
  kThroughFp16,  // linears: bitsandbytes casts the weight to fp16 first
  kAsStored,     // embeddings
};

// Encodes a dense matrix; the result owns its memory. `pool`: threads that share the rows.
Matrix encode_int8_row(const Matrix& source, Int8Source through, ThreadPool* pool = nullptr);

}  // namespace preferd::quant
