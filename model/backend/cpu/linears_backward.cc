// Backward of y_i = x W_i^T + b_i + B_i h_i,  h_i = s_i A_i m_i(x)      (m: dropout's mask, or nothing)
//
//   dh_i = s_i dy_i B_i            dB_i = dy_i^T h_i        dW_i = dy_i^T x
//   dA_i = dh_i^T m_i(x)           db_i = sum of dy_i's rows
//   dx   = sum over i of  dy_i W_i + m_i(dh_i A_i)
//
// A frozen W is decoded panel by panel as in forward; no dense copy of it exists. Every element of a gradient
// is one sum in a fixed order, whatever the number of threads.
#include <algorithm>

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "base/check.h"
#include "model/backend/cpu/cpu_backend.h"
#include "model/backend/cpu/linears.h"
#include "model/backend/cpu/panels.h"
#include "model/kernels/rows.h"

namespace preferd::backend {
namespace cpu {
namespace {

RowsOf<const float> rows_of(const at::Tensor& t) {
  return {t.data_ptr<float>(), static_cast<std::size_t>(t.size(1))};
}

// left^T right: [left's columns, right's columns].
at::Tensor outer_product(Workers& workers, const at::Tensor& left, const at::Tensor& right) {
  at::Tensor y = at::empty({left.size(1), right.size(1)}, at::kFloat);
  const auto m = static_cast<std::size_t>(left.size(1)), n = static_cast<std::size_t>(right.size(1));
  const std::size_t blocks = ceil_div(m, kRowChunk), groups = ceil_div(n, group_width());
  workers.pool().run(blocks * groups, [&](std::size_t item, int worker) {
    const std::size_t first = item % blocks * kRowChunk, column = item / blocks * group_width();
    outer(rows_of(left), first, std::min(kRowChunk, m - first), rows_of(right),
          {column, std::min(group_width(), n - column)}, static_cast<std::size_t>(left.size(0)),
          {y.data_ptr<float>() + first * n + column, n}, workers.scratch(worker, panel_scratch()));
  });
  return y;
}

at::Tensor sum_of_rows(const at::Tensor& dy) {
  std::vector<double> sum(static_cast<std::size_t>(dy.size(1)));
  const float* row = dy.data_ptr<float>();
  for (std::int64_t i = 0; i < dy.size(0); ++i, row += sum.size())
    for (std::size_t j = 0; j < sum.size(); ++j) sum[j] += row[j];
  at::Tensor out = at::empty({dy.size(1)}, at::kFloat);
  std::transform(sum.begin(), sum.end(), out.data_ptr<float>(),
                 [](double v) { return static_cast<float>(v); });
  return out;
}

at::Tensor rows_at(const at::Tensor& t, const LowRank& low) {
  return t.narrow(0, static_cast<std::int64_t>(low.first_row), static_cast<std::int64_t>(low.rows));
}

// scale * dy B for the rows of `low`.
at::Tensor gradient_of_h(Workers& workers, const LowRank& low, const at::Tensor& dy) {
  const at::Tensor from = rows_at(dy, low);
  at::Tensor dh = at::empty_like(low.h);
  const auto rank = static_cast<std::size_t>(low.h.size(1));
  float* to = dh.data_ptr<float>();
  workers.pool().run(ceil_div(low.rows, kMinRowsOfItem), [&](std::size_t item, int worker) {
    const std::size_t first = item * kMinRowsOfItem, count = std::min(kMinRowsOfItem, low.rows - first);
    for (std::size_t c = 0; c < rank; c += group_width())
      times(rows_of(from).from(first), low.projection.b, {c, std::min(group_width(), rank - c)}, count,
            kernels::Start::kZero, {to + first * rank + c, rank}, workers.scratch(worker, panel_scratch()));
    for (std::size_t i = first * rank; i < (first + count) * rank; ++i) to[i] *= low.projection.scale;
  });
  return dh;
}

// What one projection contributes to dx.
struct Share {
  const Linear* linear;
  at::Tensor dy;
  std::span<const LowRank> low;
  std::vector<at::Tensor> dh;  // one per entry of low
};

// dx of rows [first, first + rows) and the given columns, without masked adapters.
void item_of_dx(std::span<const Share> shares, Columns columns, std::size_t first, std::size_t rows,
                RowsOf<float> dx, float* scratch) {
  kernels::Start start = kernels::Start::kZero;
  const RowsOf<float> to{dx.from(first).data + columns.first, dx.stride};
  for (const Share& share : shares) {
    times(rows_of(share.dy).from(first), share.linear->weight, columns, rows, start, to, scratch);
    start = kernels::Start::kContinue;
    for (std::size_t i = 0; i < share.low.size(); ++i) {
      const LowRank& low = share.low[i];
      const std::size_t begin = std::max(first, low.first_row),
                        end = std::min(first + rows, low.first_row + low.rows);
      if (begin < end && !low.mask)
        times(rows_of(share.dh[i]).from(begin - low.first_row), low.projection.a, columns, end - begin, start,
              to.from(begin - first), scratch);
    }
  }
}

// Adds m(dh A) to dx.
void add_masked(Workers& workers, const LowRank& low, const at::Tensor& dh, RowsOf<float> dx) {
  const std::size_t in = dx.stride;
  workers.pool().run(ceil_div(low.rows, kRowChunk), [&](std::size_t item, int worker) {
    const std::size_t first = item * kRowChunk, count = std::min(kRowChunk, low.rows - first);
    float* product = workers.scratch(worker, panel_scratch() + kRowChunk * in);
    float* scratch = product + kRowChunk * in;
    for (std::size_t c = 0; c < in; c += group_width())
      times(rows_of(dh).from(first), low.projection.a, {c, std::min(group_width(), in - c)}, count,
            kernels::Start::kZero, {product + c, in}, scratch);
    drop(low.mask->stream, low.mask->p, (low.first_row + first) * in, product, count * in, product);
    float* to = dx.from(low.first_row + first).data;
    kernels::add(to, product, count * in, to);
  });
}

at::Tensor gradient_of_x(Workers& workers, std::span<const Share> shares, std::int64_t rows,
                         std::int64_t in) {
  at::Tensor dx = at::empty({rows, in}, at::kFloat);
  const RowsOf<float> to{dx.data_ptr<float>(), static_cast<std::size_t>(in)};
  const auto count = static_cast<std::size_t>(rows);
  const std::size_t groups = ceil_div(to.stride, group_width());
  const std::size_t wanted = 6 * static_cast<std::size_t>(workers.pool().threads());
  const std::size_t parts =
      std::clamp(ceil_div(wanted, groups), std::size_t{1}, ceil_div(count, kMinRowsOfItem));
  const std::size_t part = ceil_div(count, parts);
  workers.pool().run(groups * parts, [&](std::size_t item, int worker) {
    const std::size_t first = item % parts * part, column = item / parts * group_width();
    if (first < count)
      item_of_dx(shares, {column, std::min(group_width(), to.stride - column)}, first,
                 std::min(part, count - first), to, workers.scratch(worker, panel_scratch()));
  });
  for (const Share& share : shares)
    for (std::size_t i = 0; i < share.low.size(); ++i)
      if (share.low[i].mask) add_masked(workers, share.low[i], share.dh[i], to);
  return dx;
}

// Appends the gradients of what leaves() gives for one projection; undefined where not wanted.
void append_gradients(Workers& workers, const at::Tensor& x, const Share& share, const Wanted& wanted,
                      Tensors& out) {
  const auto append = [&](const auto& gradient) {
    out.push_back(wanted[out.size()] ? gradient() : at::Tensor());
  };
  append([&] { return outer_product(workers, share.dy, x); });
  append([&] { return sum_of_rows(share.dy); });
  for (std::size_t i = 0; i < share.low.size(); ++i) {
    const LowRank& low = share.low[i];
    append([&] { return outer_product(workers, share.dh[i], masked_rows(workers, x, low)); });
    append([&] { return outer_product(workers, low.h, rows_at(share.dy, low)).t().contiguous(); });
  }
}

}  // namespace
}  // namespace cpu

WithBackward CpuBackend::linears_with_backward(const Context& context, const Operand& x,
                                               std::span<const Linear* const> projections,
                                               const Adapters& adapters, Values values,
                                               const Wanted& wanted) {
  PREFERD_CHECK(context.arithmetic == Arithmetic::kFp32);
  const at::Tensor value = x.value.detach();
  cpu::LinearsForward forward = cpu::run_linears(workers_, context, value, projections, adapters, values);
  const auto backward =
      [this, wanted, again = x.again ? x.again : [value] { return value; }, rows = value.size(0),
       in = value.size(1), low = std::move(forward.low),
       owned = std::vector<const Linear*>(projections.begin(), projections.end())](const Tensors& dy) {
        std::vector<cpu::Share> shares;
        for (std::size_t i = 0; i < owned.size(); ++i) {
          shares.push_back({owned[i], dy[i], low[i], {}});
          for (const cpu::LowRank& l : low[i])
            shares.back().dh.push_back(cpu::gradient_of_h(workers_, l, dy[i]));
        }
        Tensors gradients = {wanted[0] ? cpu::gradient_of_x(workers_, shares, rows, in) : at::Tensor()};
        const at::Tensor seen = again();
        for (const cpu::Share& share : shares)
          cpu::append_gradients(workers_, seen, share, wanted, gradients);
        return gradients;
      };
  return {std::move(forward.y), backward};
}

}  // namespace preferd::backend
