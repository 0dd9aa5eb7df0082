// One op, on whatever backend: where a gradient is wanted and the backend has kernels the forward is recorded
// with the backward that belongs to it; where ATen differentiates, or nothing is wanted, it just runs.
#pragma once

#include <array>
#include <cstddef>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/backend/backend.h"
#include "model/ops/record.h"

namespace preferd::ops {

// inputs: what `forward` is a function of, undefined where nothing can want a gradient. backward(dy, wanted)
// gives a gradient for each of them; dy is as record() has it. Returns what forward() returns.
template <std::size_t N, class Forward, class Backward>
std::vector<at::Tensor> recorded(backend::Backend& device, const std::array<at::Tensor, N>& inputs,
                                 Forward forward, Backward backward) {
  std::array<bool, N> wanted;
  bool any = false;
  for (std::size_t i = 0; i < N; ++i) any |= wanted[i] = wants_gradient(inputs[i]);
  if (!any || device.kernels() == nullptr) return forward();
  std::vector<at::Tensor> defined;
  for (const at::Tensor& t : inputs)
    if (t.defined()) defined.push_back(t);
  std::array<bool, N> given;
  for (std::size_t i = 0; i < N; ++i) given[i] = inputs[i].defined();
  return record(defined, forward,
                [backward = std::move(backward), wanted, given](const std::vector<at::Tensor>& dy) {
                  std::vector<at::Tensor> all = backward(dy, wanted), out;
                  for (std::size_t i = 0; i < N; ++i)
                    if (given[i]) out.push_back(wanted[i] ? std::move(all[i]) : at::Tensor());
                  return out;
                });
}

}  // namespace preferd::ops
