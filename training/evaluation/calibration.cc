#include "training/evaluation/calibration.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace preferd::training {
namespace {

// Logits and targets of one row as a softmax over `classes`.
struct Row {
  std::array<double, 3> logits, target;
};

struct Loss {
  double value, slope;  // mean log-loss at an inverse temperature, and its derivative there
};

Loss loss_at(std::span<const LogitRow> rows, Link link, double inverse) {
  const std::size_t classes = link == Link::kSoftmax3 ? 3 : 2;
  Loss sum{0, 0};
  for (const LogitRow& given : rows) {
    Row row{given.logits, given.target};
    if (link == Link::kSigmoid) row.logits = {0, given.logits[0], 0};
    if (classes == 2)
      row.target = {given.target[0] + given.target[2] / 2, given.target[1] + given.target[2] / 2, 0};
    double top = row.logits[0];
    for (std::size_t c = 1; c < classes; ++c) top = std::max(top, row.logits[c]);
    double total = 0, expected = 0;
    for (std::size_t c = 0; c < classes; ++c) {
      const double weight = std::exp(inverse * (row.logits[c] - top));
      total += weight;
      expected += weight * (row.logits[c] - top);
    }
    expected /= total;
    for (std::size_t c = 0; c < classes; ++c) {
      sum.value += row.target[c] * (std::log(total) - inverse * (row.logits[c] - top));
      sum.slope += row.target[c] * (expected - (row.logits[c] - top));
    }
  }
  const auto n = static_cast<double>(rows.size());
  return {sum.value / n, sum.slope / n};
}

}  // namespace

Result<Calibration> fit_temperature(std::span<const LogitRow> rows, Link link) {
  if (rows.empty()) return invalid("calibration: found no rows with logits, expected at least one");
  const std::size_t given = link == Link::kSigmoid ? 1 : link == Link::kSoftmax2 ? 2 : 3;
  bool flat = true;
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::size_t c = 0; c < given; ++c) {
      const double z = rows[i].logits[c];
      if (!std::isfinite(z))
        return invalid("calibration: row " + std::to_string(i) + " has the logit " + std::to_string(z) +
                       ", expected a finite number");
      flat = flat && z == (given == 1 ? 0 : rows[i].logits[0]);
    }
  Calibration out;
  out.log_loss_before = loss_at(rows, link, 1).value;
  double low = std::log(1 / kHighestTemperature), high = std::log(1 / kLowestTemperature);
  const auto slope = [&](double log_inverse) { return loss_at(rows, link, std::exp(log_inverse)).slope; };
  if (!flat && slope(low) >= 0) {
    out.bound = Bound::kHighest;
    out.temperature = kHighestTemperature;
  } else if (!flat && slope(high) <= 0) {
    out.bound = Bound::kLowest;
    out.temperature = kLowestTemperature;
  } else if (!flat) {
    while (high - low > 1e-12) {
      const double middle = (low + high) / 2;
      (slope(middle) < 0 ? low : high) = middle;
    }
    out.temperature = std::exp(-(low + high) / 2);
  }
  out.log_loss_after = loss_at(rows, link, 1 / out.temperature).value;
  return out;
}

}  // namespace preferd::training
