// Row-local pieces of a layer computed in chunks of rows, so that what they hold in between stays small and
// warm.
#pragma once

#include <functional>

#include <ATen/core/Tensor.h>

#include "model/ops/linears.h"

namespace preferd::layers {

inline constexpr std::int64_t kChunkRows = 1024;

// Calls work(first row, rows, the adapters' runs over them) for chunks of rows [0, rows) of about one size,
// none larger than kChunkRows; an accelerator, which wants many rows, has them in one.
void over_chunks(const ops::Compute& compute, std::int64_t rows, const ops::Adapters& adapters,
                 const std::function<void(std::int64_t, std::int64_t, const ops::Adapters&)>& work);

// Rows [first, first + rows) of x: x itself where those are all.
at::Tensor chunk_of(const at::Tensor& x, std::int64_t first, std::int64_t rows);

}  // namespace preferd::layers
