// Work is cut into items of a group of columns (model/ops/panels.h) and a share of the rows.
//
// Where x is rounded (model/ops/rounded.h), so is what adapters make of it, and an adapter's B is a term of
// the same sum as W: [x | h] times [W | B].
#include "model/ops/linears.h"

#include <algorithm>

#include <ATen/ops/empty.h>

#include "base/check.h"
#include "model/ops/composed.h"
#include "model/ops/linears_parts.h"
#include "model/ops/panels.h"
#include "model/ops/rounded.h"

namespace preferd {
namespace {

std::size_t scratch_floats(bool rounded) { return rounded ? rounded_scratch() : panel_scratch(); }

LowRank project(Compute& compute, const Linear& linear, const LoraSite& site, const at::Tensor& x,
                const std::optional<Rounded>& rounded, const AdapterRun& run) {
  const auto rows = static_cast<std::size_t>(run.rows), in = static_cast<std::size_t>(x.size(1));
  const auto rank = static_cast<std::size_t>(site.a.rows);
  LowRank low{&site, static_cast<std::size_t>(run.first_row), rows, std::nullopt,
              at::empty({run.rows, site.a.rows}, at::kFloat)};
  if (const auto dropout = compute.dropout(); dropout && dropout->adapter_p > 0)
    low.mask = {dropout_stream(dropout->key, linear.module), dropout->adapter_p};
  const at::Tensor seen = masked_rows(compute, x, low);
  const RowsOf<float> h{low.h.data_ptr<float>(), rank};
  const RowsOf<const float> from{seen.data_ptr<float>(), in};
  const std::size_t share = std::max<std::size_t>(kRowChunk, ceil_div(rows, 4));
  compute.pool().run(ceil_div(rows, share), [&](std::size_t item, int worker) {
    const std::size_t first = item * share, count = std::min(share, rows - first);
    float* scratch = compute.scratch(worker, scratch_floats(rounded.has_value()));
    for (std::size_t c = 0; c < rank; c += group_width()) {
      const Columns columns{c, std::min(group_width(), rank - c)};
      const RowsOf<float> to{h.from(first).data + c, rank};
      if (rounded) {
        const RoundedTerm term{rounded->rows().from(low.first_row + first), &site.a, 0, count};
        sum_of_products({&term, 1}, {}, columns, count, to, scratch);
      } else {
        times_transposed(from.from(first), site.a, columns, count, kernels::Start::kZero, to, scratch);
      }
    }
    for (std::size_t i = first * rank; i < (first + count) * rank; ++i) h.data[i] *= site.scale;
  });
  return low;
}

struct Site {
  const Linear* linear;
  float* y;
  std::span<const LowRank> low;
  std::vector<Rounded> h;  // of each entry of low, where x is rounded

  RowsOf<float> at(std::size_t row, std::size_t column) const {
    const auto out = static_cast<std::size_t>(linear->weight.rows);
    return {y + row * out + column, out};
  }
};

// Outputs [columns] of one site for rows [first, first + rows).
void compute_rounded(const Site& site, const RoundedRows& x, Columns columns, std::size_t first,
                     std::size_t rows, float* scratch) {
  std::vector<RoundedTerm> terms = {{x.from(first), &site.linear->weight, 0, rows}};
  for (std::size_t i = 0; i < site.low.size(); ++i) {
    const LowRank& low = site.low[i];
    const std::size_t begin = std::max(first, low.first_row),
                      end = std::min(first + rows, low.first_row + low.rows);
    if (begin < end)
      terms.push_back(
          {site.h[i].rows().from(begin - low.first_row), &low.site->b, begin - first, end - begin});
  }
  sum_of_products(terms, site.linear->bias, columns, rows, site.at(first, columns.first), scratch);
}

void compute_item(const Site& site, RowsOf<const float> x, Columns columns, std::size_t first,
                  std::size_t rows, float* scratch) {
  const RowsOf<float> y = site.at(first, columns.first);
  times_transposed(x.from(first), site.linear->weight, columns, rows, kernels::Start::kZero, y, scratch);
  if (!site.linear->bias.empty())
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < columns.count; ++j)
        y.from(i).data[j] += site.linear->bias[columns.first + j];
  for (const LowRank& low : site.low) {
    const std::size_t begin = std::max(first, low.first_row),
                      end = std::min(first + rows, low.first_row + low.rows);
    if (begin >= end) continue;
    const auto rank = static_cast<std::size_t>(low.site->a.rows);
    const RowsOf<const float> h{low.h.data_ptr<float>(), rank};
    times_transposed(h.from(begin - low.first_row), low.site->b, columns, end - begin,
                     kernels::Start::kContinue, y.from(begin - first), scratch);
  }
}

}  // namespace

const LoraSite* Adapters::find(const AdapterRun& run, const std::string& module) const {
  const auto* map = sites.empty() || module.empty() ? nullptr : sites[static_cast<std::size_t>(run.adapter)];
  if (map == nullptr) return nullptr;
  const auto it = map->find(module);
  return it == map->end() ? nullptr : &it->second;
}

at::Tensor masked_rows(Compute& compute, const at::Tensor& x, const LowRank& low) {
  const at::Tensor rows =
      x.narrow(0, static_cast<std::int64_t>(low.first_row), static_cast<std::int64_t>(low.rows));
  if (!low.mask) return rows;
  at::Tensor y = at::empty(rows.sizes(), at::kFloat);
  const auto in = static_cast<std::size_t>(x.size(1));
  const float* from = rows.data_ptr<float>();
  float* to = y.data_ptr<float>();
  compute.pool().run(ceil_div(low.rows, kRowChunk), [&](std::size_t item, int) {
    const std::size_t first = item * kRowChunk, count = std::min(kRowChunk, low.rows - first) * in;
    drop(low.mask->stream, low.mask->p, (low.first_row + first) * in, from + first * in, count,
         to + first * in);
  });
  return y;
}

LinearsForward run_linears(Compute& compute, const at::Tensor& x, std::span<const Linear* const> sites,
                           const Adapters& adapters) {
  PREFERD_CHECK(x.dim() == 2 && x.is_contiguous() && x.scalar_type() == at::kFloat);
  const auto rows = static_cast<std::size_t>(x.size(0)), in = static_cast<std::size_t>(x.size(1));
  const std::size_t group = group_width();
  std::optional<Rounded> rounded;
  if (compute.arithmetic() != Arithmetic::kFp32) rounded.emplace(compute, x);
  LinearsForward forward;
  std::size_t groups = 0;
  for (const Linear* linear : sites) {
    PREFERD_CHECK(linear->weight.cols == x.size(1));
    forward.y.push_back(at::empty({x.size(0), linear->weight.rows}, at::kFloat));
    forward.low.emplace_back();
    for (const AdapterRun& run : adapters.runs)
      if (const LoraSite* lora = adapters.find(run, linear->module))
        forward.low.back().push_back(project(compute, *linear, *lora, x, rounded, run));
    groups += ceil_div(static_cast<std::size_t>(linear->weight.rows), group);
  }
  if (rows == 0) return forward;
  std::vector<Site> work;
  for (std::size_t i = 0; i < sites.size(); ++i) {
    work.push_back({sites[i], forward.y[i].data_ptr<float>(), forward.low[i], {}});
    if (rounded)
      for (const LowRank& low : forward.low[i]) work.back().h.emplace_back(compute, low.h);
  }
  const RowsOf<const float> from{x.data_ptr<float>(), in};
  const auto threads = static_cast<std::size_t>(compute.pool().threads());
  const std::size_t wanted = threads == 1 ? 1 : 6 * threads;  // items; each decodes its panels anew
  const std::size_t shares =
      std::clamp(ceil_div(wanted, groups), std::size_t{1}, ceil_div(rows, kMinRowsOfItem));
  const std::size_t share = ceil_div(rows, shares);
  compute.pool().run(groups * shares, [&](std::size_t item, int worker) {
    const std::size_t first = item % shares * share;
    std::size_t g = item / shares, s = 0;
    while (g >= ceil_div(static_cast<std::size_t>(work[s].linear->weight.rows), group))
      g -= ceil_div(static_cast<std::size_t>(work[s++].linear->weight.rows), group);
    if (first >= rows) return;
    const auto outputs = static_cast<std::size_t>(work[s].linear->weight.rows);
    const Columns columns{g * group, std::min(group, outputs - g * group)};
    const std::size_t count = std::min(share, rows - first);
    float* scratch = compute.scratch(worker, scratch_floats(rounded.has_value()));
    if (rounded)
      compute_rounded(work[s], rounded->rows(), columns, first, count, scratch);
    else
      compute_item(work[s], from, columns, first, count, scratch);
  });
  return forward;
}

std::vector<at::Tensor> linears(Compute& compute, const Operand& x, std::span<const Linear* const> sites,
                                const Adapters& adapters) {
  if (compute.composed()) return composed::linears(compute, x.value, sites, adapters);
  if (linears_want_gradient(compute, x.value, sites, adapters))
    return record_linears(compute, x, sites, adapters);
  return run_linears(compute, x.value, sites, adapters).y;
}

}  // namespace preferd
