#include "model/layers/chunks.h"

#include <algorithm>
#include <vector>

namespace preferd::layers {
namespace {

// The parts of runs that overlap rows [first, first + rows), relative to `first`.
std::vector<backend::AdapterRun> cut_runs(std::span<const backend::AdapterRun> runs, std::int64_t first,
                                          std::int64_t rows) {
  std::vector<backend::AdapterRun> out;
  for (const backend::AdapterRun& run : runs) {
    const std::int64_t begin = std::max<std::int64_t>(run.first_row, first);
    const std::int64_t end = std::min<std::int64_t>(run.first_row + run.rows, first + rows);
    if (begin < end)
      out.push_back(
          {static_cast<std::int32_t>(begin - first), static_cast<std::int32_t>(end - begin), run.adapter});
  }
  return out;
}

}  // namespace

void over_chunks(const ops::Compute& compute, std::int64_t rows, const backend::Adapters& adapters,
                 const std::function<void(std::int64_t, std::int64_t, const backend::Adapters&)>& work) {
  if (compute.accelerator() != nullptr) return work(0, rows, adapters);
  const std::int64_t chunks = (rows + kChunkRows - 1) / kChunkRows;
  for (std::int64_t i = 0; i < chunks; ++i) {
    const std::int64_t first = rows * i / chunks, count = rows * (i + 1) / chunks - first;
    const auto runs = cut_runs(adapters.runs, first, count);
    work(first, count, {adapters.projections, runs});
  }
}

at::Tensor chunk_of(const at::Tensor& x, std::int64_t first, std::int64_t rows) {
  return rows == x.size(0) ? x : x.narrow(0, first, rows);
}

}  // namespace preferd::layers
