// The forward that serving and training share, and what backward needs of it; also what forwards in fp32 and
// in integers share. Kernels only; internal to ops.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/ops/linears.h"
#include "model/ops/panels.h"
#include "model/ops/quantized.h"

namespace preferd::ops {

// Rows of one adapter at one projection, reduced to its rank.
struct LowRank {
  struct Mask {
    std::uint64_t stream;
    double p;
  };

  const checkpoint::LoraWeights* projection;
  std::size_t first_row, rows;
  std::optional<Mask> mask;  // dropout on what A reads
  at::Tensor h;              // [rows, r]: scale * A x
};

struct LinearsForward {
  std::vector<at::Tensor> y;              // one per projection
  std::vector<std::vector<LowRank>> low;  // per projection
};

// In fp32. With kUnread y is left undefined.
LinearsForward run_linears(Compute& compute, const at::Tensor& x, std::span<const Linear* const> projections,
                           const Adapters& adapters, Values values);

// A share of the rows, for a projection's group of columns or for anything else that decodes its own weights.
struct Item {
  std::size_t of;  // which projection, or which of the others
  Columns columns;
  std::size_t first, rows;
  int worker;
};

// Spreads the column groups of all projections over threads, and also shares of the rows if there are few
// groups; each share decodes its columns again.
void over_items(Compute& compute, std::span<const Linear* const> projections, std::size_t rows,
                const std::function<void(const Item&)>& work);
// Spreads `pieces`, each of which decodes weights for a share of the rows, over threads; `wanted` items per
// thread if there are several threads.
void over_pieces(Compute& compute, std::size_t pieces, std::size_t rows, std::size_t wanted,
                 const std::function<void(const Item&)>& work);

// Rows of x after low's mask: the rows themselves if it has none.
at::Tensor masked_rows(Compute& compute, const at::Tensor& x, const LowRank& low);

// The same forward, recorded. Gradients reach x, trainable weights and biases, and trainable A and B.
std::vector<at::Tensor> record_linears(Compute& compute, const Operand& x,
                                       std::span<const Linear* const> projections, const Adapters& adapters,
                                       Values values);

// Whether anything that these projections read wants a gradient.
bool linears_want_gradient(const Compute& compute, const at::Tensor& x,
                           std::span<const Linear* const> projections, const Adapters& adapters);

}  // namespace preferd::ops
