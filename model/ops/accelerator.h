// A device with kernels of its own, as ops see it: serving's forward, nothing recorded. One caller at a time,
// with the device current.
//
// Tensors live on device(). The residual stream and the states for heads are fp32; what linears read and
// write is bf16. Rows may be further apart than they are wide: empty_rows(), and what linears return, leave
// room behind each row for what adapters add to the next linears.
//
// Failures of the device throw c10::Error, of its memory c10::OutOfMemoryError.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/kernels/attention.h"
#include "model/kernels/rows.h"
#include "model/ops/attention_plan.h"
#include "model/ops/batch.h"

namespace preferd {

struct Adapters;
struct Embedding;
struct Linear;
struct Norm;

// Rotary tables, borrowed for the life of the accelerator.
struct Angles {
  std::span<const float> cosine, sine;  // [positions, head_dim / 2]
  std::int64_t head_dim;
};

class Accelerator {
 public:
  virtual ~Accelerator() = default;
  virtual at::Device device() const = 0;
  virtual std::string name() const = 0;        // "NVIDIA H200"
  virtual std::string arithmetic() const = 0;  // of linears: "bf16", "fp8"

  // Contracts where none is given: the op of that name.

  virtual at::Tensor embed(std::span<const std::int32_t> ids, const Embedding& embedding,
                           const Adapters& adapters) = 0;  // fp32
  virtual std::vector<at::Tensor> linears(const at::Tensor& x, std::span<const Linear* const> sites,
                                          const Adapters& adapters) = 0;
  virtual at::Tensor attention(const kernels::AttentionShape& shape, const Batch& batch, Queries queries,
                               const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) = 0;

  virtual at::Tensor empty_rows(std::int64_t rows, std::int64_t width) = 0;                // bf16
  virtual at::Tensor gather(const at::Tensor& x, std::span<const std::int32_t> rows) = 0;  // fp32 or bf16

  // x fp32; y fp32 or bf16.
  virtual void rms_norm(const at::Tensor& x, const Norm& norm, const at::Tensor& y) = 0;
  // x fp32, z bf16; `after` may be null.
  virtual void add_rms_norm(const at::Tensor& x, const at::Tensor& z, const Norm* after, const Norm& norm,
                            const at::Tensor& y) = 0;
  virtual void glu_in_place(kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up) = 0;
  virtual void rotate_in_place(std::span<const at::Tensor> tensors, std::span<const std::int32_t> positions,
                               const Angles& angles) = 0;
};

}  // namespace preferd
