#include "training/run/example_set.h"

#include <algorithm>
#include <cmath>

namespace preferd::training {

ExampleSet::ExampleSet(std::shared_ptr<const Dataset> data, const Numbers& numbers,
                       std::shared_ptr<const EncodedStore> store, int classes)
    : data_(std::move(data)), numbers_(numbers), store_(std::move(store)), classes_(classes) {}

double ExampleSet::weight(std::size_t i) const { return data_->weight(numbers_[i]); }

Target ExampleSet::target(std::size_t i, Order order) const {
  Target t = data_->target(numbers_[i]);
  if (classes_ == 2) t = {t[0] + t[2] / 2, t[1] + t[2] / 2, 0};
  if (order == Order::kSwapped) std::swap(t[0], t[1]);
  return t;
}

std::optional<std::array<double, 3>> ExampleSet::teacher_logits(std::size_t i, Order order) const {
  const TeacherLabel* said = data_->teacher(numbers_[i]);
  if (said == nullptr) return std::nullopt;
  std::array<double, 3> z{};
  for (std::size_t c = 0; c < 3; ++c) z[c] = std::log(std::max<double>(said->probabilities[c], 1e-7));
  if (order == Order::kSwapped) std::swap(z[0], z[1]);
  return z;
}

}  // namespace preferd::training
