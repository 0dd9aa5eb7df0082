// The forward that serving and training share, and what backward needs of it; also what forwards in fp32 and
// in integers share. Internal to the folder.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/backend/backend.h"
#include "model/backend/cpu/panels.h"
#include "model/backend/cpu/quantized.h"
#include "model/backend/cpu/workers.h"
#include "model/backend/linear.h"

namespace preferd::backend::cpu {

// Rows of one adapter at one projection, reduced to its rank.
struct LowRank {
  struct Mask {
    std::uint64_t stream;
    double p;
  };

  checkpoint::LoraWeights projection;
  std::size_t first_row, rows;
  std::optional<Mask> mask;  // dropout on what A reads
  at::Tensor h;              // [rows, r]: scale * A x
};

struct LinearsForward {
  std::vector<at::Tensor> y;              // one per projection
  std::vector<std::vector<LowRank>> low;  // per projection
};

// In fp32. With kUnread y is left undefined.
LinearsForward run_linears(Workers& workers, const Context& context, const at::Tensor& x,
                           std::span<const Linear* const> projections, const Adapters& adapters,
                           Values values);

// A share of the rows, for a projection's group of columns or for anything else that decodes its own weights.
struct Item {
  std::size_t of;  // which projection, or which of the others
  Columns columns;
  std::size_t first, rows;
  int worker;
};

// Spreads the column groups of all projections over threads, and also shares of the rows if there are few
// groups; each share decodes its columns again.
void over_items(Workers& workers, std::span<const Linear* const> projections, std::size_t rows,
                const std::function<void(const Item&)>& work);
// Spreads `pieces`, each of which decodes weights for a share of the rows, over threads; `wanted` items per
// thread if there are several threads.
void over_pieces(Workers& workers, std::size_t pieces, std::size_t rows, std::size_t wanted,
                 const std::function<void(const Item&)>& work);

// Rows of x after low's mask: the rows themselves if it has none.
at::Tensor masked_rows(Workers& workers, const at::Tensor& x, const LowRank& low);

// Without a gradient, over rows that are quantized (model/backend/cpu/quantized.h).
Tensors linears_in_ints(Workers& workers, const Quantized& x, std::span<const Linear* const> projections,
                        const Adapters& adapters);

}  // namespace preferd::backend::cpu
