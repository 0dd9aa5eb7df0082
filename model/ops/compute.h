// Threads, scratch memory and mode of one replica. One caller at a time.
//
//   Compute(threads)             our kernels, fp32 on the CPU; if a gradient is wanted, the same kernels run
//                                forward and our own backwards are recorded
//   Compute::accelerated(...)    the kernels of another device (model/ops/accelerator.h), forward and
//                                backward, with frozen weights and trainable adapters; heads run on ATen
//   Compute::composed(...)       every op is a composition of ATen ops, on one device and in one type, and
//                                ATen differentiates it: the reference for the kernels in fp64, and the way
//                                to other devices
//
// Composed compute holds a decoded copy of each weight that it has met, by the address of the stored
// elements; weights must outlive it. LoRA matrices and other trainable weights stay fp32 (fp64) and are cast
// where they are used; norms, softmax, pooling and the head are computed in wide().
//
// A caller that trains with kernels must call at::set_num_threads(1), as scoring does: the pool does the
// computing, and a second set of spinning threads would take its cores. Composed compute on the CPU may have
// more threads. Backwards must run on the thread that called forward while nobody else uses this object; on
// the CPU Tensor::backward does so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "base/parallel.h"
#include "base/words.h"
#include "model/backend/backend.h"
#include "model/ops/dropout.h"
#include "model/quant/matrix.h"

namespace preferd::ops {

class Accelerator;
class TrainableWeights;
struct PaddedBatch;

// What linears() multiply; kFp32 is required where gradients are recorded. kInt16, kInt8: inputs and weights
// are quantized to integers of 14 and 11 bits, or of 8 and 7 bits, which share a scale over groups of at most
// 256 (model/quant/int_groups.h).
enum class Arithmetic { kFp32, kInt16, kInt8 };
constexpr auto words(Arithmetic) {
  return word_list<Arithmetic>(
      {{"fp32", Arithmetic::kFp32}, {"int16", Arithmetic::kInt16}, {"int8", Arithmetic::kInt8}});
}

// What a training step adds to a forward; empty when serving.
struct TrainingStep {
  enum class Blocks {
    kKept,        // everything that backward needs is kept
    kRecomputed,  // a block keeps only its input and runs again in backward: the same bits, less memory
  };

  const TrainableWeights* trainable = nullptr;  // borrowed
  std::optional<Dropout> dropout;               // ignored if no gradient is recorded
  Blocks blocks = Blocks::kKept;
};

class Compute {
 public:
  explicit Compute(int threads);
  static Compute accelerated(int threads, std::shared_ptr<Accelerator> accelerator);
  static Compute composed(int threads, at::Device device, at::ScalarType dtype);

  ThreadPool& pool() { return pool_; }

  // Returns at least `floats` floats for this worker, beginning at a cache line. They are valid until its
  // next call; their contents are undefined.
  float* scratch(int worker, std::size_t floats) {
    constexpr std::size_t kLine = 16;
    auto& buffer = scratch_[static_cast<std::size_t>(worker)];
    if (buffer.size() < floats + kLine) buffer.resize(floats + kLine);
    const auto past = reinterpret_cast<std::uintptr_t>(buffer.data()) / sizeof(float) % kLine;
    return buffer.data() + (kLine - past) % kLine;
  }

  // What ops call. Where it has no kernels, ops are compositions of ATen's.
  backend::Backend& backend() { return *backend_; }
  bool composed() const { return composed_; }

  // Whether ops read copies of the weights, on device(), instead of the weights.
  bool copies_weights() const { return composed_ || accelerator_ != nullptr; }
  Accelerator* accelerator() const { return accelerator_.get(); }  // null: the CPU's kernels, or composed
  at::Device device() const { return device_; }
  at::ScalarType dtype() const { return dtype_; }
  at::ScalarType wide() const { return dtype_ == at::kDouble ? at::kDouble : at::kFloat; }

  // For the linears that follow; initially kFp32. Composed compute uses its dtype() instead.
  void set_arithmetic(Arithmetic arithmetic) { arithmetic_ = arithmetic; }
  Arithmetic arithmetic() const { return arithmetic_; }

  // Valid from one forward to the end of its backward.
  void set_step(TrainingStep step) { step_ = step; }
  const TrainingStep& step() const { return step_; }

  // The tensor that is trained in place of a weight, or null.
  const at::Tensor* trainable(const quant::Matrix& matrix) const;
  const at::Tensor* trainable(std::span<const float> values) const;
  // The same, undefined instead of null.
  at::Tensor leaf(std::span<const float> values) const {
    const at::Tensor* found = trainable(values);
    return found == nullptr ? at::Tensor() : *found;
  }

  // The dropout of this forward; absent if no gradient is recorded.
  std::optional<Dropout> dropout() const;

  // A weight on this device: the trainable tensor if there is one, otherwise the copy. [rows, cols] in
  // dtype(), or in wide(); vectors are in wide().
  at::Tensor dense(const quant::Matrix& matrix);
  at::Tensor dense_wide(const quant::Matrix& matrix);
  at::Tensor vector(std::span<const float> values);

  // For composed attention: the padded forms of the last batch, one per window and kind of queries.
  std::vector<std::shared_ptr<const PaddedBatch>>& padded() { return padded_; }

 private:
  Compute(int threads, bool composed, std::shared_ptr<Accelerator> accelerator, at::Device device,
          at::ScalarType dtype);
  at::Tensor decoded(const quant::Matrix& matrix, at::ScalarType type);

  ThreadPool pool_;
  std::vector<std::vector<float>> scratch_;
  bool composed_;
  std::shared_ptr<Accelerator> accelerator_;
  std::shared_ptr<backend::Backend> backend_;  // the accelerator, if there is one
  at::Device device_;
  at::ScalarType dtype_;
  Arithmetic arithmetic_ = Arithmetic::kFp32;
  TrainingStep step_;
  std::map<std::pair<const void*, at::ScalarType>, at::Tensor> copies_;
  std::vector<std::shared_ptr<const PaddedBatch>> padded_;
};

}  // namespace preferd::ops
