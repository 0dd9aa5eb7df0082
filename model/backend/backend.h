// What a device can do: for each op a forward, and the backward that belongs to it. ops/ checks, records and
// calls; a new device or GPU architecture is a folder beside cpu/ that implements this.
//
//   cpu/        our kernels, fp32, spread over threads
//   reference/  compositions of ATen's ops on any device and in any type, differentiated by ATen: the oracle of
//               the others in fp64, and the way to devices without kernels
//   ops/gpu/    our kernels for NVIDIA GPUs
//
// x is [rows, width]. Rows are contiguous on the CPU; on a GPU they may be further apart than they are wide:
// empty_rows(), and what linears return, leave room after each row for what adapters add to the next linears.
// Types: fp32 on the CPU; the reference has its own; on a GPU the residual stream and the states for heads are
// fp32, what linears read and write is bf16, and a gradient has the type of what it belongs to.
//
// Backend has the forwards, which write nothing but their results unless they say so. KernelBackend adds what
// ATen cannot do for kernels: a backward for each forward, and what writes in place where nothing is recorded.
//
// `weight`, `bias`: the leaf that is trained in place of the stored one, or undefined. Backwards return a
// gradient for each tensor of the forward, in the order of its parameters; undefined where `wanted` is false.
// Operands outlive the backward.
//
// One caller at a time, with the device current. Failures of a device throw c10::Error, of its memory
// c10::OutOfMemoryError.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/backend/operands.h"
#include "model/kernels/rows.h"

namespace preferd::backend {

using Tensors = std::vector<at::Tensor>;

class KernelBackend;

class Backend {
 public:
  virtual ~Backend() = default;

  // This, if it has kernels; null where ATen differentiates the forwards itself.
  virtual KernelBackend* kernels() { return nullptr; }

  virtual at::Tensor gather(const at::Tensor& x, std::span<const std::int32_t> rows) = 0;
  // x in the type in which norms, poolings and heads are computed.
  virtual at::Tensor widen(const at::Tensor& x) { return x; }

  virtual at::Tensor add(const at::Tensor& x, const at::Tensor& z) = 0;
  virtual at::Tensor rms_norm(const at::Tensor& x, const Norm& norm, const at::Tensor& weight,
                              Reader reader) = 0;
  virtual at::Tensor layer_norm(const at::Tensor& x, const LayerNorm& norm, const at::Tensor& weight,
                                const at::Tensor& bias) = 0;
  virtual at::Tensor glu(kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up) = 0;
  virtual at::Tensor activate(kernels::Activation kind, const at::Tensor& x) = 0;
  // x [rows, heads * head_dim]. Its memory may be taken for the result: what linears made has no other reader.
  virtual at::Tensor rotate(const at::Tensor& x, std::span<const std::int32_t> positions,
                            const Angles& angles) = 0;
};

// A backward of add_rms_norm, of backends that gain by it.
class FusedAddNorm {
 public:
  virtual ~FusedAddNorm() = default;
  // Gradients of x and z.
  virtual Tensors add_rms_norm_backward(const at::Tensor& sum, const at::Tensor& z, const Norm* after,
                                        const Norm& norm, const at::Tensor& dsum, const at::Tensor& dy) = 0;
};

class KernelBackend : public Backend {
 public:
  KernelBackend* kernels() final { return this; }

  virtual at::Tensor empty_rows(std::int64_t rows, std::int64_t width) = 0;  // for what linears read

  virtual Tensors rms_norm_backward(const at::Tensor& x, const Norm& norm, const at::Tensor& dy,
                                    std::array<bool, 2> wanted) = 0;
  virtual Tensors layer_norm_backward(const at::Tensor& x, const LayerNorm& norm, const at::Tensor& dy,
                                      std::array<bool, 3> wanted) = 0;
  virtual Tensors glu_backward(kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up,
                               const at::Tensor& dy) = 0;
  virtual at::Tensor activate_backward(kernels::Activation kind, const at::Tensor& x,
                                       const at::Tensor& dy) = 0;
  // May take dy's memory: what attention's backward made has no other reader.
  virtual at::Tensor rotate_backward(const at::Tensor& dy, std::span<const std::int32_t> positions,
                                     const Angles& angles) = 0;

  // sum = x + z, or x + rms_norm(z) by `after` where that is not null; y = rms_norm(sum). sum may be x; y may
  // be z, which may be written.
  virtual void add_rms_norm(const at::Tensor& x, const at::Tensor& z, const Norm* after, const Norm& norm,
                            const at::Tensor& sum, const at::Tensor& y) = 0;
  // What records it as one op; null: add and rms_norm are recorded.
  virtual FusedAddNorm* fused_add_norm() { return nullptr; }
  // y = layer_norm(x + z); y may be either.
  virtual void add_layer_norm(const at::Tensor& x, const at::Tensor& z, const LayerNorm& norm,
                              const at::Tensor& y) = 0;
  virtual void glu_in_place(kernels::Glu kind, const at::Tensor& gate,
                            const at::Tensor& up) = 0;  // into gate
  virtual void activate_in_place(kernels::Activation kind, const at::Tensor& x) = 0;
  virtual void scale_in_place(const at::Tensor& x, float factor) = 0;
  // Queries and keys of the same rows in one pass.
  virtual void rotate_in_place(std::span<const at::Tensor> tensors, std::span<const std::int32_t> positions,
                               const Angles& angles) = 0;
};

}  // namespace preferd::backend
