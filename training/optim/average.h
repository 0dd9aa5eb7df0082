// A running average of the weights along a run, which is evaluated and kept in their place (Polyak and
// Juditsky, 1992; as an exponential one in Tarvainen and Valpola, arXiv 1703.01780):
//
//   average <- average + (1 - d) (weight - average),    d = min(decay, (1 + t) / (10 + t)) after step t
//
// so that it spans about 1 / (1 - decay) steps, and about a tenth of those done while these are few. It begins
// as the weights of step 0. It costs one more copy of what is trained.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "training/optim/parameter.h"

namespace preferd::training {

class WeightAverage {
 public:
  // Keeps handles to the tensors, as AdamW does. 0 < decay < 1.
  WeightAverage(std::vector<Parameter> parameters, double decay);

  // After step `step`, counted from 1.
  void update(std::int64_t step);

  // Exchanges the values of weights and averages, bit for bit: twice is as before.
  void exchange();

  // In the order of the parameters, on their devices. A checkpoint stores these.
  std::span<at::Tensor> tensors() { return averages_; }

 private:
  std::vector<Parameter> parameters_;
  std::vector<at::Tensor> averages_;
  double decay_;
};

// The model has its averaged weights while this exists; null changes nothing. No step may be taken meanwhile.
class Averaged {
 public:
  explicit Averaged(WeightAverage* average) : average_(average) {
    if (average_ != nullptr) average_->exchange();
  }
  ~Averaged() {
    if (average_ != nullptr) average_->exchange();
  }
  Averaged(const Averaged&) = delete;
  Averaged& operator=(const Averaged&) = delete;

 private:
  WeightAverage* average_;
};

}  // namespace preferd::training
