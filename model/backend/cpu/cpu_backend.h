// The CPU's kernels, spread over the threads of a pool. fp32, contiguous. A row's bits depend on the row
// alone; sums over rows are added in a fixed order, whatever the number of threads.
#pragma once

#include "base/parallel.h"
#include "model/backend/backend.h"

namespace preferd::backend {

class CpuBackend : public KernelBackend {
 public:
  explicit CpuBackend(ThreadPool& pool) : pool_(pool) {}  // borrowed

  at::Tensor empty_rows(std::int64_t rows, std::int64_t width) override;
  at::Tensor gather(const at::Tensor& x, std::span<const std::int32_t> rows) override;
  at::Tensor add(const at::Tensor& x, const at::Tensor& z) override;
  void scale_in_place(const at::Tensor& x, float factor) override;

  at::Tensor rms_norm(const at::Tensor& x, const Norm& norm, const at::Tensor& weight,
                      Reader reader) override;
  Tensors rms_norm_backward(const at::Tensor& x, const Norm& norm, const at::Tensor& dy,
                            std::array<bool, 2> wanted) override;
  void add_rms_norm(const at::Tensor& x, const at::Tensor& z, const Norm* after, const Norm& norm,
                    const at::Tensor& sum, const at::Tensor& y) override;  // sum is x

  at::Tensor layer_norm(const at::Tensor& x, const LayerNorm& norm, const at::Tensor& weight,
                        const at::Tensor& bias) override;
  Tensors layer_norm_backward(const at::Tensor& x, const LayerNorm& norm, const at::Tensor& dy,
                              std::array<bool, 3> wanted) override;
  void add_layer_norm(const at::Tensor& x, const at::Tensor& z, const LayerNorm& norm,
                      const at::Tensor& y) override;

  at::Tensor glu(kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up) override;
  Tensors glu_backward(kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up,
                       const at::Tensor& dy) override;
  void glu_in_place(kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up) override;

  at::Tensor activate(kernels::Activation kind, const at::Tensor& x) override;
  at::Tensor activate_backward(kernels::Activation kind, const at::Tensor& x, const at::Tensor& dy) override;
  void activate_in_place(kernels::Activation kind, const at::Tensor& x) override;

  // Both in memory of their own.
  at::Tensor rotate(const at::Tensor& x, std::span<const std::int32_t> positions,
                    const Angles& angles) override;
  at::Tensor rotate_backward(const at::Tensor& dy, std::span<const std::int32_t> positions,
                             const Angles& angles) override;
  void rotate_in_place(std::span<const at::Tensor> tensors, std::span<const std::int32_t> positions,
                       const Angles& angles) override;

 private:
  // Calls body(first element, elements) over chunks of x's rows.
  template <class F>
  void over_rows(const at::Tensor& x, F body);
  void rms_norm_to(const at::Tensor& x, const Norm& norm, const at::Tensor& y);
  at::Tensor rms_norm_dx(const at::Tensor& x, const Norm& norm, const at::Tensor& dy);
  at::Tensor rms_norm_dweight(const at::Tensor& x, float eps, const at::Tensor& dy);
  void glu_to(kernels::Glu kind, const at::Tensor& gate, const at::Tensor& up, const at::Tensor& y);
  void activate_to(kernels::Activation kind, const at::Tensor& x, const at::Tensor& y);
  at::Tensor rotated(const at::Tensor& x, std::span<const std::int32_t> positions, const Angles& angles,
                     kernels::Direction direction);

  ThreadPool& pool_;
};

}  // namespace preferd::backend
