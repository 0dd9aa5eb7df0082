// The backend of an NVIDIA GPU, and how much memory it will need.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "model/backend/backend.h"

namespace preferd::backend::cuda {

// How the weights of linears are stored in device memory.
enum class Residency {
  kPacked,  // as stored in the file, for example in 4 bits; decoded to bf16 before each product
  kDense,   // decoded once, to bf16; gives the same bits
  kFp8,     // 8-bit floating point with one scale per row, quantized once
};

struct Memory {
  std::size_t free = 0, total = 0;  // bytes
};

// The number of GPUs of this machine that this build can use; 0 in a build without CUDA.
int device_count();

// The memory of a device. Memory that this process has cached is given back first, so only existing tensors
// count as used. Errors: a build without CUDA, a device that does not exist.
Result<Memory> memory_of(int device);

struct Options {
  int device = 0;
  Residency residency = Residency::kDense;
  std::int64_t rank = 0;         // the largest of an adapter
  std::int64_t bf16_layers = 0;  // kFp8: how many of the first layers are kDense
  int threads = 1;               // that decode what heads read
};

struct Opened {
  std::shared_ptr<Backend> backend;  // with kernels, and an Accelerator
  std::string name;                  // "NVIDIA H200"
  std::string arithmetic;            // of linears: "bf16", "fp8"
};

// Errors: those of memory_of(), a GPU that the kernels or this residency do not support (kernel_set.h).
Result<Opened> open(const Options& options);

}  // namespace preferd::backend::cuda
