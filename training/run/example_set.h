// One side of the data as the loop sees it: encoded on disk, labels in memory, either order.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "model/scorer/scorer.h"
#include "training/data/dataset.h"
#include "training/data/encoded_store.h"
#include "training/data/sampler.h"

namespace preferd::training {

// Immutable; any thread. `i` counts the examples of this side.
class ExampleSet {
 public:
  ExampleSet(std::shared_ptr<const Dataset> data, const Numbers& numbers,
             std::shared_ptr<const EncodedStore> store, int classes);

  std::size_t size() const { return numbers_.size(); }
  std::string id(std::size_t i) const;
  std::size_t cost(std::size_t i) const;  // tokens of one order
  double weight(std::size_t i) const;

  // One order of the example, alone.
  Result<Encoded> encoded(std::size_t i, Order order) const;
  Target target(std::size_t i, Order order) const;  // with two classes the third is 0
  // Logs of the teacher's probabilities.
  std::optional<std::array<double, 3>> teacher_logits(std::size_t i, Order order) const;

 private:
  std::shared_ptr<const Dataset> data_;
  const Numbers& numbers_;
  std::shared_ptr<const EncodedStore> store_;
  int classes_;
};

}  // namespace preferd::training
