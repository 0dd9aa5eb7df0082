// The forward that serving and training share, and what of it backward needs. Kernels only; ops' own.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/ops/linears.h"

namespace preferd {

// Rows of one adapter at one site, reduced to its rank.
struct LowRank {
  struct Mask {
    std::uint64_t stream;
    double p;
  };

  const LoraSite* site;
  std::size_t first_row, rows;
  std::optional<Mask> mask;  // dropout of what A reads
  at::Tensor h;              // [rows, r]: scale * A x
};

struct LinearsForward {
  std::vector<at::Tensor> y;              // one a site
  std::vector<std::vector<LowRank>> low;  // per site
};

LinearsForward run_linears(Compute& compute, const at::Tensor& x, std::span<const Linear* const> sites,
                           const Adapters& adapters);

// Rows of x after low's mask: those rows themselves where it has none.
at::Tensor masked_rows(Compute& compute, const at::Tensor& x, const LowRank& low);

// The same forward, recorded. Gradients reach x, live weights and biases, live A and B.
std::vector<at::Tensor> record_linears(Compute& compute, const Operand& x,
                                       std::span<const Linear* const> sites, const Adapters& adapters);

// Does anything that these sites read want a gradient?
bool linears_want_gradient(const Compute& compute, const at::Tensor& x, std::span<const Linear* const> sites,
                           const Adapters& adapters);

}  // namespace preferd
