// Computes the row-local parts of a layer in chunks of rows, so that intermediate values stay small and in
// cache.
#pragma once

#include <functional>

#include <ATen/core/Tensor.h>

#include "model/ops/linears.h"

namespace preferd::layers {

inline constexpr std::int64_t kChunkRows = 1024;

// Calls work(first row, rows, the adapters' runs over them) for chunks of rows [0, rows) of about equal size,
// none larger than kChunkRows. An accelerator, which needs many rows, gets all of them in one chunk.
void over_chunks(const ops::Compute& compute, std::int64_t rows, const backend::Adapters& adapters,
                 const std::function<void(std::int64_t, std::int64_t, const backend::Adapters&)>& work);

// Rows [first, first + rows) of x: x itself if those are all.
at::Tensor chunk_of(const at::Tensor& x, std::int64_t first, std::int64_t rows);

}  // namespace preferd::layers
