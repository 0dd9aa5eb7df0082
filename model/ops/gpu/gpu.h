// The accelerator of an NVIDIA GPU (Hopper), and what its memory will have to hold.
#pragma once

#include <cstdint>
#include <memory>

#include "base/result.h"
#include "model/ops/accelerator.h"

namespace preferd::gpu {

// How the weights of linears lie in device memory.
enum class Residency {
  kPacked,  // as stored, 4-bit say; decoded to bf16 before each product
  kDense,   // decoded once, bf16: the same bits
  kFp8,     // 8-bit floating point with a scale a row, rounded once
};

struct Memory {
  std::size_t free = 0, total = 0;  // bytes
};

// GPUs of this machine that this build can use; 0 where it was built without CUDA.
int device_count();

// Of a process's own what trainable tensors hold; the rest of it is given back first. Errors: a build without
// CUDA, no such device, one that is no Hopper.
Result<Memory> memory_of(int device);

struct Options {
  int device = 0;
  Residency residency = Residency::kDense;
  std::int64_t rank = 0;         // largest of an adapter
  std::int64_t bf16_layers = 0;  // kFp8: so many first layers are kDense
};

Result<std::shared_ptr<ops::Accelerator>> open(const Options& options);

}  // namespace preferd::gpu
