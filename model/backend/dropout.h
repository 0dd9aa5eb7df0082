// Dropout without a generator's state: whether an element is kept is a function of (key, name, position), so
// that a recomputed block and a run that resumes after a crash see the same mask.
//
//   element i is kept where  top 24 bits of h_i >= p 2^24  and is then scaled by 1 / (1 - p)
//   h_i = mix(mix(key ^ fnv1a(name)) + (i + 1) * 0x9e3779b97f4a7c15)
//
// mix is the finalizer of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators,
// OOPSLA 2014); the hash of the name is 64-bit FNV-1a. Elements are counted row by row over the tensor that
// is masked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <ATen/core/Tensor.h>

namespace preferd::backend {

// What a training step draws from. A key serves one forward: the caller gives each micro-batch its own key.
struct Dropout {
  double adapter_p = 0;   // for what LoRA's A reads, 0 <= p <= 1; embeddings are not dropped, as in PEFT
  std::uint64_t key = 0;  // also for the head's dropout layers, whose p is in the head's form
};

// The random stream of one named place. p below is from 0 to 1; 1 keeps nothing.
std::uint64_t dropout_stream(std::uint64_t key, std::string_view name);

// The rule in numbers: element i is kept if the top 24 bits of h_i are at least the first result, and is then
// scaled by the second.
std::uint64_t dropout_least(double p);
float dropout_scale(double p);

// y[i] = x[i] / (1 - p) if element first + i of the stream is kept, else 0, for i < count. y may be x.
void drop(std::uint64_t stream, double p, std::size_t first, const float* x, std::size_t count, float* y);

// The factors of the same rule as a tensor: 0 or 1 / (1 - p), for elements 0.. of the stream.
at::Tensor dropout_factors(std::uint64_t stream, double p, at::IntArrayRef sizes,
                           const at::TensorOptions& options);

}  // namespace preferd::backend
