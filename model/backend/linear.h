// Linear projections over stored weights, and the adapters (LoRA) that are applied to them unmerged.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/backend/batch.h"
#include "model/backend/context.h"
#include "model/checkpoint/peft.h"
#include "model/quant/matrix.h"

namespace preferd::backend {

// A linear projection: y = x W^T + b. `module` names it for adapters; an empty name takes none.
struct Linear {
  quant::Matrix weight;     // [out, in]
  std::vector<float> bias;  // [out] or empty
  std::string module;
  std::int64_t first_row = 0;  // of the module's outputs, where the linear is a part of a fused module
};

struct Embedding {
  quant::Matrix table;  // [vocabulary, cols]
  std::string module;
};

// The adapters that the runs of a batch name by index. Borrowed: must live as long as the call.
struct Adapters {
  std::span<const std::map<std::string, checkpoint::LoraWeights>* const>
      projections;  // one map per adapter; null = no LoRA
  std::span<const AdapterRun> runs;

  const checkpoint::LoraWeights* find(const AdapterRun& run, const std::string& module) const;
  // Whether a run's adapter rescales what the module gives (DoRA).
  bool rescale(const std::string& module) const;

  // For a linear: A of its module, which the parts of a fused module share, and the rows of B that are its own.
  std::optional<checkpoint::LoraWeights> find(const AdapterRun& run, const Linear& linear) const;
};

// What linears read. `again` makes the same bits anew without recording, where that is cheap: backward then
// keeps what the function captures instead of the tensor.
struct Operand {
  Operand(at::Tensor tensor, std::function<at::Tensor()> remake = {})  // also from a tensor alone
      : value(std::move(tensor)), again(std::move(remake)) {}

  at::Tensor value;
  std::function<at::Tensor()> again;
};

// Whether an operation's outputs are read, or only their graph is walked. kUnread: their contents may be
// undefined if a gradient is recorded.
enum class Values { kRead, kUnread };

// What these projections read besides x, as leaves, undefined where frozen: for each projection its weight and
// its bias, then A and B of the adapter of each run that has one for it.
std::vector<at::Tensor> leaves(const Context& context, std::span<const Linear* const> projections,
                               const Adapters& adapters);

// The same for an embedding: its table, then A and B.
std::vector<at::Tensor> leaves(const Context& context, const Embedding& embedding, const Adapters& adapters);

}  // namespace preferd::backend
