#include "model/layers/chunks.h"

#include <algorithm>
#include <vector>

#include <ATen/ops/cat.h>

namespace preferd {
namespace {

// The parts of runs that fall into rows [first, first + rows), counted from `first`.
std::vector<AdapterRun> cut_runs(std::span<const AdapterRun> runs, std::int64_t first, std::int64_t rows) {
  std::vector<AdapterRun> out;
  for (const AdapterRun& run : runs) {
    const std::int64_t begin = std::max<std::int64_t>(run.first_row, first);
    const std::int64_t end = std::min<std::int64_t>(run.first_row + run.rows, first + rows);
    if (begin < end)
      out.push_back(
          {static_cast<std::int32_t>(begin - first), static_cast<std::int32_t>(end - begin), run.adapter});
  }
  return out;
}

}  // namespace

at::Tensor in_chunks(const at::Tensor& x, const Adapters& adapters,
                     const std::function<at::Tensor(const at::Tensor&, const Adapters&)>& work) {
  std::vector<at::Tensor> parts;
  for (std::int64_t first = 0; first < x.size(0); first += kChunkRows) {
    const std::int64_t rows = std::min(kChunkRows, x.size(0) - first);
    const auto runs = cut_runs(adapters.runs, first, rows);
    parts.push_back(work(x.narrow(0, first, rows), {adapters.sites, runs}));
  }
  return parts.size() == 1 ? parts[0] : at::cat(parts);
}

}  // namespace preferd
