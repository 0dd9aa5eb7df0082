// Means and standard deviations of the feature columns, for packages with features.scaling = standard.
//
// This is what scikit-learn's StandardScaler fits: population variance, without NaN, and std 0 (which divides
// by 1) for a column that is constant up to rounding. Welford's recurrence in float64, in the order of the
// examples: the bits do not depend on the number of threads. (B. P. Welford, Technometrics 4(3), 1962.)
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/parallel.h"
#include "base/result.h"
#include "features/arena.h"
#include "training/data/dataset.h"

namespace preferd::training {

class Moments {
 public:
  explicit Moments(std::size_t columns) : columns_(columns) {}

  // Adds one row. Requires as many values as columns.
  void add(std::span<const double> row);
  features::Standardization statistics() const;

 private:
  struct Column {
    double count = 0, mean = 0, squares = 0;  // squares: sum of squared distances from the mean
  };
  std::vector<Column> columns_;
};

// kPair: the 63 columns of a pair in its given order. kResponse: the 41 columns of a response, over both
// responses of each pair (difference heads).
enum class Columns { kPair, kResponse };

// One pass over the examples' texts. Requires set != kNone. Errors: Dataset::load; kCancelled.
Result<features::Standardization> feature_statistics(const Dataset& data,
                                                     std::span<const std::uint32_t> examples,
                                                     features::FeatureSet set, Columns columns,
                                                     ThreadPool& pool, const DataEvents& events = {});

}  // namespace preferd::training
