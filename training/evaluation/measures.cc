#include "training/evaluation/measures.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "training/evaluation/bootstrap.h"

namespace preferd::training {
namespace {

constexpr double kSmallest = std::numeric_limits<double>::epsilon();

double ratio(double sum, double count) { return count > 0 ? sum / count : kUndefined; }

}  // namespace

std::size_t calibration_bin(double probability) {
  const double at = std::ceil(probability * static_cast<double>(kCalibrationBins));
  return static_cast<std::size_t>(std::clamp(at, 1.0, static_cast<double>(kCalibrationBins))) - 1;
}

Measures::Measures(std::span<const Prediction> predictions) {
  rows_.reserve(predictions.size());
  for (const Prediction& p : predictions) {
    PREFERD_CHECK(p.classes == 2 || p.classes == 3);
    Row row;
    const std::array<double, 3> target = asked_target(p);
    for (std::size_t c = 0; c < static_cast<std::size_t>(p.classes); ++c) {
      if (target[c] > 0) row.log_loss -= target[c] * std::log(std::max(p.probability[c], kSmallest));
      const double off = p.probability[c] - target[c];
      row.brier += off * off * (p.classes == 2 ? 0.5 : 1);
    }
    const std::optional<int> winner = labelled_winner(p);
    const int predicted = predicted_winner(p);
    row.confidence = p.probability[static_cast<std::size_t>(predicted)];
    row.bin = static_cast<std::uint8_t>(calibration_bin(row.confidence));
    row.decided = winner.has_value();
    row.correct = winner == predicted;
    row.has_gap = p.order_gap.has_value();
    row.order_gap = p.order_gap.value_or(0);
    const std::optional<bool> flip = order_flip(p);
    row.has_flip = flip.has_value();
    row.flipped = flip.value_or(false);
    if (winner && *winner < 2)
      ranked_.push_back({response_b_share(p), static_cast<std::uint32_t>(rows_.size()), *winner == 1});
    rows_.push_back(row);
  }
  std::sort(ranked_.begin(), ranked_.end(),
            [](const Ranked& x, const Ranked& y) { return x.score < y.score; });
}

double Measures::auc(std::span<const std::uint32_t> counts) const {
  double a_below = 0, b_all = 0, pairs = 0;
  for (std::size_t i = 0; i < ranked_.size();) {
    double a_here = 0, b_here = 0;
    const double score = ranked_[i].score;
    for (; i < ranked_.size() && ranked_[i].score == score; ++i)
      (ranked_[i].b_won ? b_here : a_here) += counts[ranked_[i].row];
    pairs += b_here * (a_below + a_here / 2);
    a_below += a_here;
    b_all += b_here;
  }
  return ratio(pairs, a_below * b_all);
}

std::array<double, kMeasures> Measures::on(std::span<const std::uint32_t> counts) const {
  PREFERD_CHECK(counts.size() == rows_.size());
  double all = 0, log_loss = 0, brier = 0, decided = 0, correct = 0;
  double gaps = 0, gap = 0, flips = 0, flipped = 0;
  std::array<double, kCalibrationBins> confidence{}, right{};
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const double n = counts[i];
    if (n == 0) continue;
    const Row& row = rows_[i];
    all += n;
    log_loss += n * row.log_loss;
    brier += n * row.brier;
    if (row.decided) {
      decided += n;
      confidence[row.bin] += n * row.confidence;
      if (row.correct) {
        correct += n;
        right[row.bin] += n;
      }
    }
    if (row.has_gap) {
      gaps += n;
      gap += n * row.order_gap;
    }
    if (row.has_flip) {
      flips += n;
      if (row.flipped) flipped += n;
    }
  }
  double calibration = 0;
  for (std::size_t b = 0; b < kCalibrationBins; ++b) calibration += std::abs(right[b] - confidence[b]);
  std::array<double, kMeasures> out{};
  out[kAccuracy] = ratio(correct, decided);
  out[kLogLoss] = ratio(log_loss, all);
  out[kBrier] = ratio(brier, all);
  out[kEce] = ratio(calibration, decided);
  out[kAuc] = auc(counts);
  out[kFlipRate] = ratio(flipped, flips);
  out[kOrderGap] = ratio(gap, gaps);
  return out;
}

}  // namespace preferd::training
