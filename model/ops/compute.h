// Threads, scratch memory and mode of one replica. One caller at a time.
//
//   Compute(threads)             our kernels, fp32 on the CPU; where a gradient is wanted the same kernels
//                                run forward and backwards of ours are recorded
//   Compute::accelerated(...)    the kernels of another device (model/ops/accelerator.h), forward and
//                                backward of frozen weights with trainable adapters; heads by ATen
//   Compute::composed(...)       every op is a composition of ATen's, on one device and type, differentiated
//                                by ATen: the reference of the kernels in fp64, and the way to other devices
//
// Composed compute holds a decoded copy of each weight it met, by the address of the stored elements; weights
// outlive it. LoRA matrices and other trainable weights stay fp32 (fp64) and are cast where they are used; norms,
// softmax, pooling and the head are computed in wide().
//
// Whoever trains with kernels calls at::set_num_threads(1), as scoring does: the pool is what computes, and a
// second set of threads that spin would take its cores. Composed compute on the CPU may have more. Backwards
// must run on the thread that called forward while nobody else uses this object; on the CPU that is what
// Tensor::backward does.
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
#include "model/ops/dropout.h"
#include "model/quant/matrix.h"

namespace preferd::ops {

class Accelerator;
class TrainableWeights;
struct PaddedBatch;

// What linears() multiply; where gradients are recorded it must be kFp32. kInt16, kInt8: inputs and weights
// are quantized to integers, 14 and 11 or 8 and 7 bits of them, that share a scale over groups of at most
// 256 (model/quant/int_groups.h).
enum class Arithmetic { kFp32, kInt16, kInt8 };
const char* arithmetic_name(Arithmetic arithmetic);  // "fp32", "int16", "int8"

// What a training step adds to a forward; nothing when serving.
struct TrainingStep {
  enum class Blocks {
    kKept,        // what backward needs is kept
    kRecomputed,  // a block keeps its input alone and runs again in backward: the same bits, less memory
  };

  const TrainableWeights* trainable = nullptr;  // borrowed
  std::optional<Dropout> dropout;               // ignored where no gradient is recorded
  Blocks blocks = Blocks::kKept;
};

class Compute {
 public:
  explicit Compute(int threads);
  static Compute accelerated(int threads, std::shared_ptr<Accelerator> accelerator);
  static Compute composed(int threads, at::Device device, at::ScalarType dtype);

  ThreadPool& pool() { return pool_; }

  // At least `floats` floats for this worker, from the begin of a cache line on; valid until its next call,
  // contents undefined.
  float* scratch(int worker, std::size_t floats) {
    constexpr std::size_t kLine = 16;
    auto& buffer = scratch_[static_cast<std::size_t>(worker)];
    if (buffer.size() < floats + kLine) buffer.resize(floats + kLine);
    const auto past = reinterpret_cast<std::uintptr_t>(buffer.data()) / sizeof(float) % kLine;
    return buffer.data() + (kLine - past) % kLine;
  }

  bool composed() const { return composed_; }

  // Do ops read copies of the weights, on device(), instead of the weights?
  bool copies_weights() const { return composed_ || accelerator_ != nullptr; }
  Accelerator* accelerator() const { return accelerator_.get(); }  // null: kernels of the CPU, or composed
  at::Device device() const { return device_; }
  at::ScalarType dtype() const { return dtype_; }
  at::ScalarType wide() const { return dtype_ == at::kDouble ? at::kDouble : at::kFloat; }

  // Of the linears that follow; kFp32 to begin with. Composed compute has its dtype() instead.
  void set_arithmetic(Arithmetic arithmetic) { arithmetic_ = arithmetic; }
  Arithmetic arithmetic() const { return arithmetic_; }

  // Holds from one forward to the end of its backward.
  void set_step(TrainingStep step) { step_ = step; }
  const TrainingStep& step() const { return step_; }

  // The tensor that is trained in a weight's place, or null.
  const at::Tensor* trainable(const quant::Matrix& matrix) const;
  const at::Tensor* trainable(std::span<const float> values) const;

  // Dropout of this forward: absent where no gradient is recorded.
  std::optional<Dropout> dropout() const;

  // A weight on this device: the trainable tensor, else the copy. [rows, cols] in dtype(), or in wide(); vectors
  // in wide().
  at::Tensor dense(const quant::Matrix& matrix);
  at::Tensor dense_wide(const quant::Matrix& matrix);
  at::Tensor vector(std::span<const float> values);

  // Composed attention's own: the padded forms of the last batch it met, one a window and kind of queries.
  std::vector<std::shared_ptr<const PaddedBatch>>& padded() { return padded_; }

  // Composed rotation's own: the cosines and sines of the last positions it met.
  struct RotaryCache {
    const float* cosine_table = nullptr;
    std::vector<std::int32_t> positions;
    at::Tensor cosine, sine;
  };
  RotaryCache& rotary_cache() { return rotary_cache_; }

 private:
  Compute(int threads, bool composed, std::shared_ptr<Accelerator> accelerator, at::Device device,
          at::ScalarType dtype);
  at::Tensor decoded(const quant::Matrix& matrix, at::ScalarType type);

  ThreadPool pool_;
  std::vector<std::vector<float>> scratch_;
  bool composed_;
  std::shared_ptr<Accelerator> accelerator_;
  at::Device device_;
  at::ScalarType dtype_;
  Arithmetic arithmetic_ = Arithmetic::kFp32;
  TrainingStep step_;
  std::map<std::pair<const void*, at::ScalarType>, at::Tensor> copies_;
  std::vector<std::shared_ptr<const PaddedBatch>> padded_;
  RotaryCache rotary_cache_;
};

}  // namespace preferd::ops
