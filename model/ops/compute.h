// Where ops compute, and how: a backend, the arithmetic, and what is trained. Light: copies share the backend.
// One caller of a backend at a time.
//
//   Compute(threads)             our kernels on the CPU; if a gradient is wanted, the same kernels run forward
//                                in fp32 and our own backwards are recorded
//   Compute(backend)             the kernels of another device, forward and backward, with frozen weights and
//                                trainable adapters; heads run on ATen
//   Compute::composed(...)       every op is a composition of ATen ops, on one device and in one type, and
//                                ATen differentiates it: the reference for the kernels in fp64, and the way
//                                to other devices
//
// Weights must outlive the backend. LoRA matrices and other trainable weights stay fp32 (fp64) and are cast
// where they are used; norms, softmax, pooling and the head are computed in wide().
//
// A caller that trains with kernels must call at::set_num_threads(1), as scoring does: the pool does the
// computing, and a second set of spinning threads would take its cores. Composed compute on the CPU may have
// more threads. Backwards must run on the thread that called forward while nobody else uses the backend; on
// the CPU Tensor::backward does so. A compute that recorded must outlive the backward.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include <ATen/core/Tensor.h>

#include "model/backend/backend.h"
#include "model/backend/context.h"
#include "model/backend/trainable.h"
#include "model/quant/matrix.h"

namespace preferd::ops {

// What a training step adds to a forward; empty when serving.
struct TrainingStep {
  enum class Blocks {
    kKept,        // everything that backward needs is kept
    kRecomputed,  // a block keeps only its input and runs again in backward: the same bits, less memory
  };

  const backend::TrainableWeights* trainable = nullptr;  // borrowed
  std::optional<backend::Dropout> dropout;               // ignored if no gradient is recorded
  Blocks blocks = Blocks::kKept;
};

class Compute {
 public:
  explicit Compute(int threads, backend::Arithmetic arithmetic = backend::Arithmetic::kFp32);
  explicit Compute(std::shared_ptr<backend::Backend> backend) : backend_(std::move(backend)) {}
  static Compute composed(int threads, at::Device device, at::ScalarType dtype);

  // The same backend with another arithmetic.
  Compute with(backend::Arithmetic arithmetic) const;

  backend::Backend& backend() const { return *backend_; }
  ThreadPool& pool() const { return backend_->pool(); }
  backend::Accelerator* accelerator() const { return backend_->accelerator(); }  // null: not a GPU's kernels
  bool composed() const { return backend_->kernels() == nullptr; }
  bool copies_weights() const { return backend_->copies_weights(); }
  at::Device device() const { return backend_->device(); }
  at::ScalarType dtype() const { return backend_->dtype(); }
  at::ScalarType wide() const { return backend_->wide(); }

  // Valid from one forward to the end of its backward.
  void set_step(TrainingStep step) { step_ = step; }
  const TrainingStep& step() const { return step_; }

  // Of the calls that follow; whether they record is asked now.
  backend::Context context() const { return {arithmetic_, step_.trainable, dropout()}; }

  // The dropout of this forward; absent if no gradient is recorded.
  std::optional<backend::Dropout> dropout() const;

  // The tensor that is trained in place of a weight, or undefined.
  at::Tensor leaf(const quant::Matrix& matrix) const { return context().leaf(matrix); }
  at::Tensor leaf(std::span<const float> values) const { return context().leaf(values); }

  // A weight on this device, in wide(): the trainable tensor if there is one, otherwise a copy.
  at::Tensor dense_wide(const quant::Matrix& matrix) { return backend_->dense_wide(context(), matrix); }
  at::Tensor vector(std::span<const float> values) { return backend_->vector(values, leaf(values)); }

 private:
  std::shared_ptr<backend::Backend> backend_;
  backend::Arithmetic arithmetic_ = backend::Arithmetic::kFp32;
  TrainingStep step_;
};

}  // namespace preferd::ops
