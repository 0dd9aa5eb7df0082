// One side of the data as the loop sees it: encoded on disk, labels in memory, in either order.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/scorer/scorer.h"
#include "training/data/dataset.h"
#include "training/data/encoded_store.h"
#include "training/data/sampler.h"

namespace preferd::training {

// Immutable; any thread. Examples are identified by their place in the store.
class ExampleSet {
 public:
  ExampleSet(std::shared_ptr<const Dataset> data, std::shared_ptr<const EncodedStore> store, int classes)
      : data_(std::move(data)), store_(std::move(store)), classes_(classes) {}

  std::size_t size() const { return store_->size(); }
  const std::vector<std::uint32_t>& tokens() const { return store_->tokens(); }
  std::int64_t all_tokens() const;  // their sum
  double weight(std::uint32_t example) const { return data_->weight(number(example)); }
  std::string place(std::uint32_t example) const { return data_->corpus().place(number(example)); }

  // Only the sample's order.
  Result<scorer::Encoded> encoded(const Sample& sample) const;
  // With two classes the third is 0.
  Target target(const Sample& sample) const;
  // Logarithms of the teacher's probabilities; nothing if the teacher has no answer.
  std::optional<std::array<double, 3>> teacher_logits(const Sample& sample) const;
  // The teacher's pooled states, sequence by sequence. For a swapped sample the two sequences are exchanged,
  // which is correct for layouts with one sequence per response. Requires Dataset::embedding_numbers() > 0.
  Result<std::vector<float>> teacher_embedding(const Sample& sample) const;
  std::size_t embedding_numbers() const { return data_->embedding_numbers(); }

 private:
  std::uint32_t number(std::uint32_t example) const { return store_->examples()[example]; }

  std::shared_ptr<const Dataset> data_;
  std::shared_ptr<const EncodedStore> store_;
  int classes_;
};

}  // namespace preferd::training
