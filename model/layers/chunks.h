// Row-local pieces of a layer computed in chunks of rows, so that what they hold in between stays small.
#pragma once

#include <functional>

#include <ATen/core/Tensor.h>

#include "model/ops/linears.h"

namespace preferd {

inline constexpr std::int64_t kChunkRows = 1024;

// work(rows of x, the adapters' runs over them), the results below each other. No row of a result depends on
// another row of x. Not for recording.
at::Tensor in_chunks(const at::Tensor& x, const Adapters& adapters,
                     const std::function<at::Tensor(const at::Tensor&, const Adapters&)>& work);

}  // namespace preferd
