#include "training/run/example_set.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace preferd::training {

std::int64_t ExampleSet::all_tokens() const {
  return std::accumulate(tokens().begin(), tokens().end(), std::int64_t{0});
}

Result<scorer::Encoded> ExampleSet::encoded(const Sample& sample) const {
  auto found = store_->load(sample.example);
  if (!found) return found.error();
  const std::size_t order = sample.swapped ? 1 : 0;
  PREFERD_CHECK(order < found->orders.size());
  scorer::EncodedOrder one = std::move(found->orders[order]);
  found->orders.clear();
  found->orders.push_back(std::move(one));
  found->swap = scorer::Swap::kNone;
  return found;
}

Target ExampleSet::target(const Sample& sample) const {
  Target t = data_->target(number(sample.example));
  if (classes_ == 2) t = {t[0] + t[2] / 2, t[1] + t[2] / 2, 0};
  if (sample.swapped) std::swap(t[0], t[1]);
  return t;
}

std::optional<std::array<double, 3>> ExampleSet::teacher_logits(const Sample& sample) const {
  const TeacherLabel* said = data_->teacher(number(sample.example));
  if (said == nullptr) return std::nullopt;
  std::array<double, 3> z{};
  for (std::size_t c = 0; c < 3; ++c) z[c] = std::log(std::max<double>(said->probabilities[c], 1e-7));
  if (sample.swapped) std::swap(z[0], z[1]);
  return z;
}

Result<std::vector<float>> ExampleSet::teacher_embedding(const Sample& sample) const {
  auto found = data_->teacher_embedding(number(sample.example));
  if (found && sample.swapped)
    std::rotate(found->begin(), found->begin() + static_cast<std::ptrdiff_t>(found->size() / 2),
                found->end());
  return found;
}

}  // namespace preferd::training
