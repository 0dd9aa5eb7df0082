// Linear maps over stored weights, with LoRA adapters applied unmerged.
//
//   y_i = x W_i^T + b_i + s B_i (A_i x)      for projections i that share x
//
// x [rows, in] fp32 contiguous; y_i [rows, out_i] fp32. Never writes an input. The bits of a row depend only
// on the row and its adapter (model/kernels/gemm.h). Weights stay in their stored form; panels are decoded
// into scratch memory.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/checkpoint/peft.h"
#include "model/ops/batch.h"
#include "model/ops/compute.h"
#include "model/ops/quantized.h"
#include "model/ops/record.h"
#include "model/quant/matrix.h"

namespace preferd::ops {

// A linear projection: y = x W^T + b. `module` names it for adapters; an empty name takes none.
struct Linear {
  quant::Matrix weight;     // [out, in]
  std::vector<float> bias;  // [out] or empty
  std::string module;
};

// The adapters that the runs of a batch name by index. Borrowed: must live as long as the call.
struct Adapters {
  std::span<const std::map<std::string, checkpoint::LoraWeights>* const>
      projections;  // one map per adapter; null = no LoRA
  std::span<const AdapterRun> runs;

  const checkpoint::LoraWeights* find(const AdapterRun& run, const std::string& module) const;
};

// What linears read. `again` makes the same bits anew without recording, where that is cheap: backward then
// keeps what the function captures instead of the tensor.
struct Operand {
  Operand(at::Tensor tensor, std::function<at::Tensor()> remake = {})  // also from a tensor alone
      : value(std::move(tensor)), again(std::move(remake)) {}

  at::Tensor value;
  std::function<at::Tensor()> again;
};

// Gradients: for x, and for trainable weights, biases, A and B. The backward of a frozen weight decodes
// panels too. Projections and adapters' maps must outlive the backward; runs need not.
std::vector<at::Tensor> linears(Compute& compute, const Operand& x,
                                std::span<const Linear* const> projections, const Adapters& adapters,
                                Values values = Values::kRead);

// For rows that are already quantized to compute.arithmetic(). No gradient.
std::vector<at::Tensor> linears(Compute& compute, const Quantized& x,
                                std::span<const Linear* const> projections, const Adapters& adapters);

// The input of a gated MLP's last linear, glu(gate(x), up(x)), quantized; compute.arithmetic() must not be
// fp32. The bits are those of linears(), glu() and Quantized; no gradient.
Quantized gated_rows(Compute& compute, kernels::Glu kind, const at::Tensor& x, const Linear& gate,
                     const Linear& up, const Adapters& adapters);

// y [ids, cols]: rows of the table, plus the adapter's share if it adapts the embedding. Gradients: for a
// trainable table, A and B.
struct Embedding {
  quant::Matrix table;  // [vocabulary, cols]
  std::string module;
};
at::Tensor embed(Compute& compute, std::span<const std::int32_t> ids, const Embedding& embedding,
                 const Adapters& adapters);

}  // namespace preferd::ops
