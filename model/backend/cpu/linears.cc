// Work is cut into items of one group of columns (model/backend/cpu/panels.h) and a share of the rows.
#include "model/backend/cpu/linears.h"

#include <algorithm>

#include <ATen/ops/empty.h>

#include "base/check.h"
#include "model/backend/cpu/cpu_backend.h"
#include "model/backend/cpu/panels.h"

namespace preferd::backend {
namespace cpu {
namespace {

LowRank project(Workers& workers, const Context& context, const Linear& linear,
                const checkpoint::LoraWeights& projection, const at::Tensor& x, const AdapterRun& run) {
  const auto in = static_cast<std::size_t>(x.size(1)), rank = static_cast<std::size_t>(projection.a.rows);
  LowRank low{projection, static_cast<std::size_t>(run.first_row), static_cast<std::size_t>(run.rows),
              std::nullopt, at::empty({run.rows, projection.a.rows}, at::kFloat)};
  if (const auto& dropout = context.dropout; dropout && dropout->adapter_p > 0)
    low.mask = {dropout_stream(dropout->key, linear.module), dropout->adapter_p};
  const at::Tensor seen = masked_rows(workers, x, low);
  const RowsOf<float> h{low.h.data_ptr<float>(), rank};
  const RowsOf<const float> from{seen.data_ptr<float>(), in};
  over_pieces(workers, 1, low.rows, 4, [&](const Item& item) {
    float* scratch = workers.scratch(item.worker, panel_scratch());
    for (std::size_t c = 0; c < rank; c += group_width())
      times_transposed(from.from(item.first), projection.a, {c, std::min(group_width(), rank - c)}, item.rows,
                       kernels::Start::kZero, {h.from(item.first).data + c, rank}, scratch);
    for (std::size_t i = item.first * rank; i < (item.first + item.rows) * rank; ++i)
      h.data[i] *= projection.scale;
  });
  return low;
}

struct Projection {
  const Linear* linear;
  float* y;
  std::span<const LowRank> low;

  RowsOf<float> at(std::size_t row, std::size_t column) const {
    const auto out = static_cast<std::size_t>(linear->weight.rows);
    return {y + row * out + column, out};
  }
};

void compute_item(const Projection& projection, RowsOf<const float> x, Columns columns, std::size_t first,
                  std::size_t rows, float* scratch) {
  const RowsOf<float> y = projection.at(first, columns.first);
  times_transposed(x.from(first), projection.linear->weight, columns, rows, kernels::Start::kZero, y,
                   scratch);
  if (!projection.linear->bias.empty())
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < columns.count; ++j)
        y.from(i).data[j] += projection.linear->bias[columns.first + j];
  for (const LowRank& low : projection.low) {
    const std::size_t begin = std::max(first, low.first_row),
                      end = std::min(first + rows, low.first_row + low.rows);
    if (begin >= end) continue;
    const auto rank = static_cast<std::size_t>(low.projection.a.rows);
    const RowsOf<const float> h{low.h.data_ptr<float>(), rank};
    times_transposed(h.from(begin - low.first_row), low.projection.b, columns, end - begin,
                     kernels::Start::kContinue, y.from(begin - first), scratch);
  }
}

}  // namespace

at::Tensor masked_rows(Workers& workers, const at::Tensor& x, const LowRank& low) {
  const at::Tensor rows =
      x.narrow(0, static_cast<std::int64_t>(low.first_row), static_cast<std::int64_t>(low.rows));
  if (!low.mask) return rows;
  at::Tensor y = at::empty(rows.sizes(), at::kFloat);
  const auto in = static_cast<std::size_t>(x.size(1));
  const float* from = rows.data_ptr<float>();
  float* to = y.data_ptr<float>();
  workers.pool().run(ceil_div(low.rows, kRowChunk), [&](std::size_t item, int) {
    const std::size_t first = item * kRowChunk, count = std::min(kRowChunk, low.rows - first) * in;
    drop(low.mask->stream, low.mask->p, (low.first_row + first) * in, from + first * in, count,
         to + first * in);
  });
  return y;
}

void over_pieces(Workers& workers, std::size_t pieces, std::size_t rows, std::size_t wanted,
                 const std::function<void(const Item&)>& work) {
  if (rows == 0) return;
  const auto threads = static_cast<std::size_t>(workers.pool().threads());
  const std::size_t items = threads == 1 ? 1 : wanted * threads;
  const std::size_t shares =
      std::clamp(ceil_div(items, pieces), std::size_t{1}, ceil_div(rows, kMinRowsOfItem));
  const std::size_t share = ceil_div(rows, shares);
  workers.pool().run(pieces * shares, [&](std::size_t item, int worker) {
    const std::size_t first = item % shares * share;
    if (first < rows) work({item / shares, {}, first, std::min(share, rows - first), worker});
  });
}

void over_items(Workers& workers, std::span<const Linear* const> projections, std::size_t rows,
                const std::function<void(const Item&)>& work) {
  constexpr std::size_t kItemsOfThread = 3, kLeastPanels = 2;
  const std::size_t width = kernels::panel_width(),
                    threads = static_cast<std::size_t>(workers.pool().threads());
  const auto panels_of = [&](std::size_t s) {
    return ceil_div(static_cast<std::size_t>(projections[s]->weight.rows), width);
  };
  std::size_t panels = 0;
  for (std::size_t s = 0; s < projections.size(); ++s) panels += panels_of(s);
  const std::size_t most = threads == 1
                               ? kGroupPanels
                               : std::clamp(panels / (kItemsOfThread * threads), kLeastPanels, kGroupPanels);
  std::vector<Item> groups;
  for (std::size_t s = 0; s < projections.size(); ++s) {
    const auto outputs = static_cast<std::size_t>(projections[s]->weight.rows);
    const std::size_t count = ceil_div(panels_of(s), most);
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t from = i * panels_of(s) / count * width, to = (i + 1) * panels_of(s) / count * width;
      groups.push_back({s, {from, std::min(to, outputs) - from}, 0, 0, 0});
    }
  }
  over_pieces(workers, groups.size(), rows, kItemsOfThread, [&](const Item& item) {
    const Item& group = groups[item.of];
    work({group.of, group.columns, item.first, item.rows, item.worker});
  });
}

LinearsForward run_linears(Workers& workers, const Context& context, const at::Tensor& x,
                           std::span<const Linear* const> projections, const Adapters& adapters,
                           Values values) {
  PREFERD_CHECK(x.dim() == 2 && x.is_contiguous() && x.scalar_type() == at::kFloat);
  LinearsForward forward;
  for (const Linear* linear : projections) {
    forward.y.push_back(at::empty({x.size(0), linear->weight.rows}, at::kFloat));
    forward.low.emplace_back();
    for (const AdapterRun& run : adapters.runs)
      if (const auto lora = adapters.find(run, *linear))
        forward.low.back().push_back(project(workers, context, *linear, *lora, x, run));
  }
  if (values == Values::kUnread) return forward;
  std::vector<Projection> work;
  for (std::size_t i = 0; i < projections.size(); ++i)
    work.push_back({projections[i], forward.y[i].data_ptr<float>(), forward.low[i]});
  const RowsOf<const float> from{x.data_ptr<float>(), static_cast<std::size_t>(x.size(1))};
  over_items(workers, projections, static_cast<std::size_t>(x.size(0)), [&](const Item& item) {
    compute_item(work[item.of], from, item.columns, item.first, item.rows,
                 workers.scratch(item.worker, panel_scratch()));
  });
  return forward;
}

}  // namespace cpu

Tensors CpuBackend::linears(const Context& context, const at::Tensor& x,
                            std::span<const Linear* const> projections, const Adapters& adapters) {
  if (context.arithmetic != Arithmetic::kFp32)
    return cpu::linears_in_ints(workers_, cpu::Quantized(workers_, context.arithmetic, x), projections,
                                adapters);
  return cpu::run_linears(workers_, context, x, projections, adapters, Values::kRead).y;
}

}  // namespace preferd::backend
