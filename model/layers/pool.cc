#include "model/layers/pool.h"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include "base/check.h"
#include "model/ops/record.h"
#include "model/ops/rows.h"

namespace preferd::layers {
namespace {

// The segments of a line, from the root to `segment`.
std::vector<std::size_t> line_of(const backend::Batch& batch, std::int32_t segment) {
  std::vector<std::size_t> line;
  for (; segment >= 0; segment = batch.parent[static_cast<std::size_t>(segment)])
    line.push_back(static_cast<std::size_t>(segment));
  std::reverse(line.begin(), line.end());
  return line;
}

std::vector<std::int32_t> rows_of_line(const backend::Batch& batch, std::int32_t segment) {
  std::vector<std::int32_t> rows;
  for (const std::size_t s : line_of(batch, segment))
    for (std::int32_t r = batch.offsets[s]; r < batch.offsets[s + 1]; ++r) rows.push_back(r);
  return rows;
}

at::Tensor mean_over_lines(ops::Compute& compute, const at::Tensor& x, const backend::Batch& batch) {
  const auto width = static_cast<std::size_t>(x.size(1));
  at::Tensor y = at::empty({static_cast<std::int64_t>(batch.pooled.size()), x.size(1)}, at::kFloat);
  const float* from = x.data_ptr<float>();
  float* to = y.data_ptr<float>();
  compute.pool().run(batch.pooled.size(), [&](std::size_t i, int) {
    std::vector<double> sum(width);
    const auto rows = rows_of_line(batch, batch.pooled[i]);
    for (const std::int32_t r : rows) {
      const float* row = from + static_cast<std::size_t>(r) * width;
      for (std::size_t j = 0; j < width; ++j) sum[j] += row[j];
    }
    for (std::size_t j = 0; j < width; ++j)
      to[i * width + j] = static_cast<float>(sum[j] / static_cast<double>(rows.size()));
  });
  return y;
}

at::Tensor mean_backward(const at::Tensor& dy, const backend::Batch& batch) {
  at::Tensor dx = at::zeros({batch.rows(), dy.size(1)}, at::kFloat);
  for (std::size_t i = 0; i < batch.pooled.size(); ++i) {
    const auto rows = rows_of_line(batch, batch.pooled[i]);
    const float* from = dy.data_ptr<float>() + static_cast<std::int64_t>(i) * dy.size(1);
    for (const std::int32_t r : rows) {
      float* to = dx.data_ptr<float>() + r * dx.size(1);
      for (std::int64_t j = 0; j < dy.size(1); ++j) to[j] += from[j] / static_cast<float>(rows.size());
    }
  }
  return dx;
}

at::Tensor composed_mean(ops::Compute& compute, const at::Tensor& x, const backend::Batch& batch) {
  std::vector<at::Tensor> means;
  for (const std::int32_t segment : batch.pooled)
    means.push_back(ops::gather(compute, x, rows_of_line(batch, segment)).mean(0));
  return at::stack(means);
}

}  // namespace

std::vector<std::int32_t> last_rows(const backend::Batch& batch) {
  std::vector<std::int32_t> rows;
  for (const std::int32_t segment : batch.pooled)
    rows.push_back(batch.offsets[static_cast<std::size_t>(segment) + 1] - 1);
  return rows;
}

std::vector<std::int32_t> pooled_rows(const backend::Batch& batch, package::Pooling pooling) {
  if (pooling == package::Pooling::kLast) return last_rows(batch);
  if (pooling == package::Pooling::kMarkers) {
    PREFERD_CHECK(batch.marked.size() == batch.pooled.size());
    return batch.marked;
  }
  PREFERD_CHECK(pooling == package::Pooling::kFirst);
  std::vector<std::int32_t> rows;
  for (const std::int32_t segment : batch.pooled)
    rows.push_back(batch.offsets[line_of(batch, segment).front()]);
  return rows;
}

std::vector<backend::AdapterRun> runs_of_pooled(const backend::Batch& batch) {
  std::vector<backend::AdapterRun> out;
  const auto rows = last_rows(batch);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto run = std::find_if(batch.runs.begin(), batch.runs.end(), [&](const backend::AdapterRun& r) {
      return rows[i] >= r.first_row && rows[i] < r.first_row + r.rows;
    });
    PREFERD_CHECK(run != batch.runs.end());
    if (!out.empty() && out.back().adapter == run->adapter)
      ++out.back().rows;
    else
      out.push_back({static_cast<std::int32_t>(i), 1, run->adapter});
  }
  return out;
}

at::Tensor pool_rows(ops::Compute& compute, const at::Tensor& x, const backend::Batch& batch,
                     package::Pooling pooling) {
  if (pooling != package::Pooling::kMean) return ops::gather(compute, x, pooled_rows(batch, pooling));
  if (compute.composed()) return composed_mean(compute, x, batch);
  if (!ops::wants_gradient(x)) return mean_over_lines(compute, x.to(at::kCPU), batch);
  return ops::record({x}, [&] {
    return backend::WithBackward{{mean_over_lines(compute, x, batch)}, [batch](const ops::Tensors& dy) {
                                   return ops::Tensors{mean_backward(dy[0], batch)};
                                 }};
  })[0];
}

}  // namespace preferd::layers
