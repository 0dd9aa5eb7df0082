// Elements as they are, in one of the floating types.
#pragma once

#include <cstddef>

#include "model/quant/dtype.h"
#include "model/quant/stored_form.h"

namespace preferd::quant {

// Row-major elements; may be unaligned.
struct Dense {
  const std::byte* data = nullptr;
  DType dtype = DType::kF32;

  void decode(const RowRun& run, float* out) const {
    widen(dtype, data + run.begin * size_of(dtype), run.count, out);
  }
  const void* address() const { return data; }
  std::optional<Dense> from(const RowRun& run) const {
    return Dense{data + run.begin * size_of(dtype), dtype};
  }
  std::size_t bytes(std::size_t rows, std::size_t cols) const { return rows * cols * size_of(dtype); }
  const char* name() const { return dtype == DType::kBF16 ? "bf16" : dtype == DType::kF16 ? "fp16" : "fp32"; }
};
static_assert(StoredForm<Dense>);

}  // namespace preferd::quant
