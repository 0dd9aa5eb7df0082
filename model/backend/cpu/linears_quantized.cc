// linears() in integers (model/backend/cpu/quantized.h). What adapters make of x is quantized too, and an adapter's B
// is a term of the same sum as W: [x | h] times [W | B].
#include <algorithm>
#include <array>

#include <ATen/ops/empty.h>

#include "base/check.h"
#include "model/backend/cpu/cpu_backend.h"
#include "model/backend/cpu/linears.h"

namespace preferd::backend {
namespace cpu {
namespace {

// h = scale * A x for an adapter's rows.
at::Tensor project(Workers& workers, const checkpoint::LoraWeights& projection, const QuantizedRows& x,
                   const AdapterRun& run) {
  const at::Tensor h = at::empty({run.rows, projection.a.rows}, at::kFloat);
  const auto rank = static_cast<std::size_t>(projection.a.rows);
  float* to = h.data_ptr<float>();
  over_pieces(workers, 1, static_cast<std::size_t>(run.rows), 4, [&](const Item& item) {
    const QuantizedTerm term{x.from(static_cast<std::size_t>(run.first_row) + item.first), &projection.a, 0,
                             item.rows};
    float* scratch = workers.scratch(item.worker, quantized_scratch());
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
  Projection(Workers& workers, const Linear& linear, const Quantized& x, const Adapters& adapters)
      : linear_(&linear), x_(x.rows()) {
    PREFERD_CHECK(linear.weight.cols == x.width());
    for (const AdapterRun& run : adapters.runs)
      if (const auto lora = adapters.find(run, linear))
        low_.push_back({lora->b, static_cast<std::size_t>(run.first_row),
                        static_cast<std::size_t>(run.first_row + run.rows),
                        Quantized(workers, x.rows().arithmetic, project(workers, *lora, x.rows(), run))});
  }

  // The terms of rows [first, first + rows).
  std::vector<QuantizedTerm> terms(std::size_t first, std::size_t rows) const {
    std::vector<QuantizedTerm> out = {{x_.from(first), &linear_->weight, 0, rows}};
    for (const Low& low : low_) {
      const std::size_t begin = std::max(first, low.first), end = std::min(first + rows, low.end);
      if (begin < end)
        out.push_back({low.h.rows().from(begin - low.first), &low.b, begin - first, end - begin});
    }
    return out;
  }

  const std::vector<float>& bias() const { return linear_->bias; }

 private:
  struct Low {
    quant::Matrix b;
    std::size_t first, end;  // rows
    Quantized h;
  };

  const Linear* linear_;
  QuantizedRows x_;
  std::vector<Low> low_;
};

}  // namespace

Tensors linears_in_ints(Workers& workers, const Quantized& x, std::span<const Linear* const> projections,
                        const Adapters& adapters) {
  std::vector<Projection> work;
  Tensors y;
  for (const Linear* linear : projections) {
    work.emplace_back(workers, *linear, x, adapters);
    y.push_back(at::empty({x.count(), linear->weight.rows}, at::kFloat));
  }
  over_items(workers, projections, static_cast<std::size_t>(x.count()), [&](const Item& item) {
    const auto out = static_cast<std::size_t>(y[item.of].size(1));
    sum_of_products(work[item.of].terms(item.first, item.rows), work[item.of].bias(), item.columns, item.rows,
                    {y[item.of].data_ptr<float>() + item.first * out + item.columns.first, out},
                    workers.scratch(item.worker, quantized_scratch()));
  });
  return y;
}

}  // namespace cpu

cpu::Quantized CpuBackend::gated_rows(Arithmetic arithmetic, kernels::Glu kind, const at::Tensor& x,
                                      const Linear& gate, const Linear& up, const Adapters& adapters) {
  using namespace cpu;
  const Quantized quantized(workers_, arithmetic, x);
  const Projection gates(workers_, gate, quantized, adapters), ups(workers_, up, quantized, adapters);
  const auto width = static_cast<std::size_t>(gate.weight.rows), rows = static_cast<std::size_t>(x.size(0));
  const auto gate_terms = gates.terms(0, rows), up_terms = ups.terms(0, rows);
  const auto floats = gated_scratch({gate_terms, up_terms, gate.bias, up.bias, kind}, block_of(width));
  if (!floats) {
    const std::array<const Linear*, 2> in = {&gate, &up};
    const Tensors both = linears_in_ints(workers_, quantized, in, adapters);
    glu_in_place(kind, both[0], both[1]);
    return Quantized(workers_, arithmetic, both[0]);
  }
  Quantized out(arithmetic, x.size(0), gate.weight.rows);
  over_pieces(workers_, out.rows().groups, rows, 3, [&](const Item& item) {
    const auto gate_here = gates.terms(item.first, item.rows), up_here = ups.terms(item.first, item.rows);
    set_gated({gate_here, up_here, gate.bias, up.bias, kind}, item.of, item.first, item.rows, out,
              workers_.scratch(item.worker, *floats));
  });
  return out;
}

at::Tensor CpuBackend::gated_mlp(const Context& context, kernels::Glu kind, const at::Tensor& x,
                                 const Linear& gate, const Linear& up, const Linear& down,
                                 const Adapters& adapters) {
  if (context.arithmetic == Arithmetic::kFp32)
    return KernelBackend::gated_mlp(context, kind, x, gate, up, down, adapters);
  const std::array<const Linear*, 1> out = {&down};
  return cpu::linears_in_ints(workers_, gated_rows(context.arithmetic, kind, x, gate, up, adapters), out,
                              adapters)[0];
}

}  // namespace preferd::backend
