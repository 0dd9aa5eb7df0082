// LLM.int8 weights (arXiv 2208.07339): int8 codes with one scale per row.
//   SCB[row] = max |w|,  code = rint(w * (127 / SCB)), ties to even,  value = code * SCB * (1 / 127)
//
// 127 / SCB is computed as (1 / SCB) * 127, rounded twice: PyTorch does so, and it decides exact ties.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/parallel.h"
#include "model/quant/stored_form.h"

namespace preferd::quant {

struct Matrix;

// value = code * scale[row] * (1 / 127), in fp32.
struct Int8Row {
  const std::int8_t* codes = nullptr;
  const float* scale = nullptr;  // [rows]

  void decode(const RowRun& run, float* out) const {
    for (std::size_t i = 0; i < run.count; ++i)
      out[i] = static_cast<float>(codes[run.begin + i]) * scale[run.row] * (1.0f / 127.0f);
  }
  const void* address() const { return codes; }
  std::optional<Int8Row> from(const RowRun& run) const { return Int8Row{codes + run.begin, scale + run.row}; }
  std::size_t bytes(std::size_t rows, std::size_t cols) const { return rows * cols + 4 * rows; }
  const char* name() const { return "int8"; }
};
static_assert(StoredForm<Int8Row>);

enum class Int8Source {
  kThroughFp16,  // linears: bitsandbytes casts the weight to fp16 first
  kAsStored,     // embeddings
};

// Encodes a dense matrix; the result owns its memory. `pool`: threads that share the rows.
Matrix encode_int8_row(const Matrix& source, Int8Source through, ThreadPool* pool = nullptr);

}  // namespace preferd::quant
