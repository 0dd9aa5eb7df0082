// Work is cut into items of up to kGroup panels (of panel_width() outputs) and a share of the rows; k is
// walked in blocks of at most kBlock, so that one decoded panel (kBlock x 16 floats) stays in L1 while rows
// pass by, and the group's panels and the rows' blocks stay in L2. How the work is cut never shows in a
// result.
#include "model/ops/linears.h"

#include <algorithm>

#include <ATen/ops/empty.h>

#include "base/check.h"
#include "model/kernels/gemm.h"

namespace preferd {
namespace {

constexpr std::size_t kGroup = 4;
constexpr std::size_t kBlock = 256;
constexpr std::size_t kRowChunk = 96;
constexpr std::size_t kMinRowsOfItem = 240;

std::size_t ceil_div(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

// One operand pair of a sum: y (+)= x W^T over some rows.
struct Term {
  const quant::Matrix* weight;
  const float* x;
  std::size_t x_stride;
};

struct Columns {
  std::size_t first, count;  // outputs, at most kGroup panels
};

// Adds term.x W[columns]^T into y for rows [0, rows).
void accumulate(const Term& term, Columns columns, std::size_t rows, kernels::Start start, float* y,
                std::size_t y_stride, float* scratch) {
  const std::size_t width = kernels::panel_width(), k = static_cast<std::size_t>(term.weight->cols);
  const std::size_t block = std::min(kBlock, ceil_div(ceil_div(k, ceil_div(k, kBlock)), 64) * 64);
  float* decoded = scratch;                 // [width, block]
  float* panels = scratch + width * block;  // kGroup x [block, width]
  for (std::size_t begin = 0; begin < k; begin += block) {
    const std::size_t depth = std::min(block, k - begin);
    const std::size_t group = ceil_div(columns.count, width);
    for (std::size_t p = 0; p < group; ++p) {
      const std::size_t count = std::min(width, columns.count - p * width);
      for (std::size_t j = 0; j < count; ++j)
        quant::decode(*term.weight, static_cast<std::int64_t>(columns.first + p * width + j),
                      static_cast<std::int64_t>(begin), static_cast<std::int64_t>(depth),
                      decoded + j * depth);
      kernels::pack_panel(decoded, depth, count, depth, panels + p * width * block);
    }
    for (std::size_t row = 0; row < rows; row += kRowChunk)
      for (std::size_t p = 0; p < group; ++p)
        kernels::multiply_panel({.x = term.x + row * term.x_stride + begin,
                                 .x_stride = term.x_stride,
                                 .panel = panels + p * width * block,
                                 .panel_stride = width,
                                 .y = y + row * y_stride + p * width,
                                 .y_stride = y_stride,
                                 .rows = std::min(kRowChunk, rows - row),
                                 .k = depth,
                                 .columns = std::min(width, columns.count - p * width),
                                 .start = begin == 0 ? start : kernels::Start::kContinue});
  }
}

std::size_t scratch_floats() {
  const std::size_t width = kernels::panel_width();
  return (kGroup + 1) * width * kBlock;
}

// Rows of one adapter at one site: h = scale * A x, to be multiplied by B.
struct LowRank {
  const LoraSite* site;
  std::size_t first_row, rows;
  at::Tensor h;  // [rows, r]
};

LowRank project(Compute& compute, const LoraSite& site, const at::Tensor& x, const AdapterRun& run) {
  const auto rows = static_cast<std::size_t>(run.rows), in = static_cast<std::size_t>(x.size(1));
  const auto rank = static_cast<std::size_t>(site.a.rows);
  LowRank low{&site, static_cast<std::size_t>(run.first_row), rows,
              at::empty({run.rows, site.a.rows}, at::kFloat)};
  float* h = low.h.data_ptr<float>();
  const float* from = x.data_ptr<float>() + low.first_row * in;
  const std::size_t share = std::max<std::size_t>(kRowChunk, ceil_div(rows, 4));
  compute.pool().run(ceil_div(rows, share), [&](std::size_t item, int worker) {
    const std::size_t first = item * share, count = std::min(share, rows - first);
    float* scratch = compute.scratch(worker, scratch_floats());
    for (std::size_t c = 0; c < rank; c += kGroup * kernels::panel_width())
      accumulate({&site.a, from + first * in, in}, {c, std::min(kGroup * kernels::panel_width(), rank - c)},
                 count, kernels::Start::kZero, h + first * rank + c, rank, scratch);
    for (std::size_t i = first * rank; i < (first + count) * rank; ++i) h[i] *= site.scale;
  });
  return low;
}

struct Site {
  const Linear* linear;
  float* y;
  std::vector<LowRank> low;
};

// Outputs [columns] of one site for rows [first, first + rows).
void compute_item(const Site& site, const float* x, std::size_t in, Columns columns, std::size_t first,
                  std::size_t rows, float* scratch) {
  const auto out = static_cast<std::size_t>(site.linear->weight.rows);
  float* y = site.y + first * out + columns.first;
  accumulate({&site.linear->weight, x + first * in, in}, columns, rows, kernels::Start::kZero, y, out,
             scratch);
  if (!site.linear->bias.empty())
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < columns.count; ++j) y[i * out + j] += site.linear->bias[columns.first + j];
  for (const LowRank& low : site.low) {
    const std::size_t begin = std::max(first, low.first_row),
                      end = std::min(first + rows, low.first_row + low.rows);
    if (begin >= end) continue;
    const auto rank = static_cast<std::size_t>(low.site->a.rows);
    accumulate({&low.site->b, low.h.data_ptr<float>() + (begin - low.first_row) * rank, rank}, columns,
               end - begin, kernels::Start::kContinue, y + (begin - first) * out, out, scratch);
  }
}

}  // namespace

const LoraSite* Adapters::find(const AdapterRun& run, const std::string& module) const {
  const auto* map = sites.empty() || module.empty() ? nullptr : sites[static_cast<std::size_t>(run.adapter)];
  if (map == nullptr) return nullptr;
  const auto it = map->find(module);
  return it == map->end() ? nullptr : &it->second;
}

std::vector<at::Tensor> linears(Compute& compute, const at::Tensor& x, std::span<const Linear* const> sites,
                                const Adapters& adapters) {
  PREFERD_CHECK(x.dim() == 2 && x.is_contiguous() && x.scalar_type() == at::kFloat);
  const auto rows = static_cast<std::size_t>(x.size(0)), in = static_cast<std::size_t>(x.size(1));
  const std::size_t group = kGroup * kernels::panel_width();
  std::vector<at::Tensor> out;
  std::vector<Site> work;
  std::size_t groups = 0;
  for (const Linear* linear : sites) {
    PREFERD_CHECK(linear->weight.cols == x.size(1));
    out.push_back(at::empty({x.size(0), linear->weight.rows}, at::kFloat));
    Site site{linear, out.back().data_ptr<float>(), {}};
    for (const AdapterRun& run : adapters.runs)
      if (const LoraSite* lora = adapters.find(run, linear->module))
        site.low.push_back(project(compute, *lora, x, run));
    work.push_back(std::move(site));
    groups += ceil_div(static_cast<std::size_t>(linear->weight.rows), group);
  }
  if (rows == 0) return out;
  const std::size_t wanted = 6 * static_cast<std::size_t>(compute.pool().threads());
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
    compute_item(work[s], x.data_ptr<float>(), in, {g * group, std::min(group, outputs - g * group)}, first,
                 std::min(share, rows - first), compute.scratch(worker, scratch_floats()));
  });
  return out;
}

at::Tensor embed(Compute& compute, std::span<const std::int32_t> ids, const Embedding& embedding,
                 const Adapters& adapters) {
  const std::int64_t cols = embedding.table.cols;
  at::Tensor y = at::empty({static_cast<std::int64_t>(ids.size()), cols}, at::kFloat);
  float* out = y.data_ptr<float>();
  compute.pool().run(ids.size(), [&](std::size_t i, int) {
    quant::decode(embedding.table, ids[i], 0, cols, out + i * static_cast<std::size_t>(cols));
  });
  for (const AdapterRun& run : adapters.runs) {
    const LoraSite* lora = adapters.find(run, embedding.module);
    if (lora == nullptr) continue;
    const std::int64_t rank = lora->a.rows;
    std::vector<float> h(static_cast<std::size_t>(run.rows * rank));
    for (std::int32_t i = 0; i < run.rows; ++i)
      for (std::int64_t j = 0; j < rank; ++j) {
        float& value = h[static_cast<std::size_t>(i * rank + j)];
        quant::decode(lora->a, j, ids[static_cast<std::size_t>(run.first_row + i)], 1, &value);
        value *= lora->scale;
      }
    const std::size_t group = kGroup * kernels::panel_width(), width = static_cast<std::size_t>(cols);
    for (std::size_t c = 0; c < width; c += group)
      accumulate({&lora->b, h.data(), static_cast<std::size_t>(rank)}, {c, std::min(group, width - c)},
                 static_cast<std::size_t>(run.rows), kernels::Start::kContinue,
                 out + static_cast<std::size_t>(run.first_row) * width + c, width,
                 compute.scratch(0, scratch_floats()));
  }
  return y;
}

}  // namespace preferd
