// Logistic regression with an L2 penalty, by Newton's method on all rows (IRLS: Hastie, Tibshirani, Friedman,
// The Elements of Statistical Learning, section 4.4.1). Minimises
//
//     sum over rows of [ln(1 + exp z) - t z] + penalty / 2 |weights|^2,     z = x . weights + intercept
//
// which is scikit-learn's LogisticRegression with C = 1 / penalty; targets t may be anywhere in [0, 1]. The
// intercept has a penalty of only 1e-6, so that it stays finite when all rows agree.
//
// By hand: LIBLINEAR, which Debian has, fits classes and not shares of votes.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace preferd::training {

// Rows of `columns` values, one after the other.
struct Table {
  std::size_t columns = 0;
  std::vector<double> values;

  std::size_t rows() const { return columns == 0 ? 0 : values.size() / columns; }
  std::span<const double> row(std::size_t i) const {
    return std::span<const double>(values).subspan(i * columns, columns);
  }
};

struct LogisticModel {
  std::vector<double> weights;
  double intercept = 0;
};

// Requires penalty > 0, finite values and one target per row.
LogisticModel fit_logistic(const Table& table, std::span<const double> targets, double penalty);

double logistic(const LogisticModel& model, std::span<const double> row);

}  // namespace preferd::training
