// The stored weights that are being trained, each with the tensor that stands in for it: LoRA's A and B, head
// linears and biases, norm weights, embedding tables and dense base weights, all by one mechanism.
//
// A weight is identified by the address of its stored elements (Dense::data of a quant::Matrix, data() of a
// vector<float>), which must not change. With the CPU's kernels the tensor's memory IS the stored memory: an
// optimizer that writes the tensor in place changes what the kernels read, and they need not know. Other
// backends keep a copy on their device, fp32 (fp64 if they compute in fp64), and store() writes it back.
//
// One thread; ops only read. Weights must outlive this object.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/backend/context.h"
#include "model/quant/matrix.h"

namespace preferd::backend {

class Backend;

class TrainableWeights {
 public:
  struct Weight {
    std::string name;
    at::Tensor tensor;  // a leaf that requires grad
    float* stored;
  };

  // For forwards on this backend, or on one of its kind.
  explicit TrainableWeights(const Backend& backend);

  // Trains the elements [shape] at `stored`; returns the leaf. Each address and each name may be used once.
  at::Tensor train(std::string name, float* stored, std::vector<std::int64_t> shape);
  at::Tensor train(std::string name, std::vector<float>& values);  // [size]

  // Replaces `matrix` by a dense fp32 copy in memory of its own and trains that, [rows, cols].
  at::Tensor train(std::string name, quant::Matrix& matrix);

  // The tensor of a weight, undefined if it is frozen.
  at::Tensor find(const void* stored) const;
  // The same for a matrix, which may be some rows of the weight: then a view of the tensor.
  at::Tensor find(const void* stored, std::int64_t rows, std::int64_t cols) const;

  std::span<const Weight> weights() const { return weights_; }  // in the order of train()

  // Copies every tensor to the stored elements, unless its memory is theirs.
  void store() const;

 private:
  bool copies_;
  at::TensorOptions leaf_;
  std::vector<Weight> weights_;
  std::map<const void*, std::size_t> by_address_;
};

}  // namespace preferd::backend
