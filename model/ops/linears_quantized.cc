// linears() in integers (model/ops/quantized.h). What adapters make of x is quantized too, and an adapter's B
// is a term of the same sum as W: [x | h] times [W | B].
#include <algorithm>
#include <array>

#include <ATen/ops/empty.h>

#include "base/check.h"
#include "model/ops/linears_parts.h"
#include "model/ops/rows.h"

namespace preferd::ops {
namespace {

// h = scale * A x for an adapter's rows.
at::Tensor project(Compute& compute, const checkpoint::LoraWeights& projection, const QuantizedRows& x,
                   const AdapterRun& run) {
  const at::Tensor h = at::empty({run.rows, projection.a.rows}, at::kFloat);
  const auto rank = static_cast<std::size_t>(projection.a.rows);
  float* to = h.data_ptr<float>();
  over_pieces(compute, 1, static_cast<std::size_t>(run.rows), 4, [&](const Item& item) {
    const QuantizedTerm term{x.from(static_cast<std::size_t>(run.first_row) + item.first), &projection.a, 0,
                             item.rows};
    float* scratch = compute.scratch(item.worker, quantized_scratch());
    for (std::size_t c = 0; c < rank; c += group_width())
      sum_of_products({&term, 1}, {}, {c, std::min(group_width(), rank - c)}, item.rows,
                      {to + item.first * rank + c, rank}, scratch);
    for (std::size_t i = item.first * rank; i < (item.first + item.rows) * rank; ++i)
      to[i] *= projection.scale;
  });
  return h;
}

// A projection and what its adapters made of x.
class Projection {
 public:
  Projection(Compute& compute, const Linear& linear, const Quantized& x, const Adapters& adapters)
      : linear_(&linear), x_(x.rows()) {
    PREFERD_CHECK(x.rows().arithmetic == compute.arithmetic() && linear.weight.cols == x.width());
    for (const AdapterRun& run : adapters.runs)
      if (const checkpoint::LoraWeights* lora = adapters.find(run, linear.module))
        low_.push_back({&lora->b, static_cast<std::size_t>(run.first_row),
                        static_cast<std::size_t>(run.first_row + run.rows),
                        Quantized(compute, project(compute, *lora, x.rows(), run))});
  }

  // The terms of rows [first, first + rows).
  std::vector<QuantizedTerm> terms(std::size_t first, std::size_t rows) const {
    std::vector<QuantizedTerm> out = {{x_.from(first), &linear_->weight, 0, rows}};
    for (const Low& low : low_) {
      const std::size_t begin = std::max(first, low.first), end = std::min(first + rows, low.end);
      if (begin < end)
        out.push_back({low.h.rows().from(begin - low.first), low.b, begin - first, end - begin});
    }
    return out;
  }

  const std::vector<float>& bias() const { return linear_->bias; }

 private:
  struct Low {
    const quant::Matrix* b;
    std::size_t first, end;  // rows
    Quantized h;
  };

  const Linear* linear_;
  QuantizedRows x_;
  std::vector<Low> low_;
};

}  // namespace

std::vector<at::Tensor> linears(Compute& compute, const Quantized& x,
                                std::span<const Linear* const> projections, const Adapters& adapters) {
  std::vector<Projection> work;
  std::vector<at::Tensor> y;
  for (const Linear* linear : projections) {
    work.emplace_back(compute, *linear, x, adapters);
    y.push_back(at::empty({x.count(), linear->weight.rows}, at::kFloat));
  }
  over_items(compute, projections, static_cast<std::size_t>(x.count()), [&](const Item& item) {
    const auto out = static_cast<std::size_t>(y[item.of].size(1));
    sum_of_products(work[item.of].terms(item.first, item.rows), work[item.of].bias(), item.columns, item.rows,
                    {y[item.of].data_ptr<float>() + item.first * out + item.columns.first, out},
                    compute.scratch(item.worker, quantized_scratch()));
  });
  return y;
}

Quantized gated_rows(Compute& compute, kernels::Glu kind, const at::Tensor& x, const Linear& gate,
                     const Linear& up, const Adapters& adapters) {
  PREFERD_CHECK(gate.weight.rows == up.weight.rows);
  const Quantized quantized(compute, x);
  const Projection gates(compute, gate, quantized, adapters), ups(compute, up, quantized, adapters);
  const auto width = static_cast<std::size_t>(gate.weight.rows), rows = static_cast<std::size_t>(x.size(0));
  const auto gate_terms = gates.terms(0, rows), up_terms = ups.terms(0, rows);
  const auto floats = gated_scratch({gate_terms, up_terms, gate.bias, up.bias, kind}, block_of(width));
  if (!floats) {
    const std::array<const Linear*, 2> in = {&gate, &up};
    const auto both = linears(compute, quantized, in, adapters);
    glu_in_place(compute, kind, both[0], both[1]);
    return Quantized(compute, both[0]);
  }
  Quantized out(compute.arithmetic(), x.size(0), gate.weight.rows);
  over_pieces(compute, out.rows().groups, rows, 3, [&](const Item& item) {
    const auto gate_here = gates.terms(item.first, item.rows), up_here = ups.terms(item.first, item.rows);
    set_gated({gate_here, up_here, gate.bias, up.bias, kind}, item.of, item.first, item.rows, out,
              compute.scratch(item.worker, *floats));
  });
  return out;
}

}  // namespace preferd::ops
