#include "training/evaluation/metrics.h"

#include <algorithm>

#include "base/check.h"
#include "training/evaluation/slices.h"

namespace preferd::training {
namespace {

std::array<ReliabilityBin, kCalibrationBins> reliability(std::span<const Prediction> predictions) {
  std::array<ReliabilityBin, kCalibrationBins> bins;
  std::array<double, kCalibrationBins> predicted{}, observed{};
  for (const Prediction& p : predictions) {
    const std::size_t b = calibration_bin(p.probability[1]);
    ++bins[b].rows;
    predicted[b] += p.probability[1];
    observed[b] += asked_target(p)[1];
  }
  for (std::size_t b = 0; b < kCalibrationBins; ++b)
    if (const auto n = static_cast<double>(bins[b].rows); n > 0) {
      bins[b].predicted = predicted[b] / n;
      bins[b].observed = observed[b] / n;
    }
  return bins;
}

// The figures of each group, two estimates per group, all on the same draws.
std::vector<Slice> slices(std::vector<RowGroup> groups, const Measures& measures,
                          const BaselineAnswers& longer, const Resampling& resampling) {
  const auto& rows = measures.rows();
  const auto statistics = [&](std::span<const std::uint32_t> counts, std::span<double> out) {
    for (std::size_t g = 0; g < groups.size(); ++g) {
      double all = 0, loss = 0, decided = 0, correct = 0;
      for (const std::size_t i : groups[g].rows) {
        const double n = counts[i];
        all += n;
        loss += n * rows[i].log_loss;
        if (rows[i].decided) decided += n;
        if (rows[i].correct) correct += n;
      }
      if (decided > 0) out[2 * g] = correct / decided;
      if (all > 0) out[2 * g + 1] = loss / all;
    }
  };
  const auto estimates = bootstrap(rows.size(), 2 * groups.size(), statistics, resampling);
  std::vector<Slice> out;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    Slice slice;
    slice.name = std::move(groups[g].name);
    slice.rows = static_cast<std::int64_t>(groups[g].rows.size());
    slice.accuracy = estimates[2 * g];
    slice.log_loss = estimates[2 * g + 1];
    double right = 0;
    for (const std::size_t i : groups[g].rows)
      if (rows[i].decided) {
        ++slice.decided;
        right += longer.right[i];
      }
    if (slice.decided > 0) slice.longer_wins = right / static_cast<double>(slice.decided);
    out.push_back(std::move(slice));
  }
  return out;
}

}  // namespace

Metrics evaluate(std::span<const Prediction> predictions, std::span<const features::FeatureColumns> features,
                 const Resampling& resampling) {
  Metrics out;
  out.rows = static_cast<std::int64_t>(predictions.size());
  out.resampling = resampling;
  if (!predictions.empty()) out.classes = predictions.front().classes;
  for (const Prediction& p : predictions) {
    PREFERD_CHECK(p.classes == out.classes);
    const std::optional<int> winner = labelled_winner(p);
    if (winner) ++out.decided;
    if (order_flip(p)) ++out.flips_known;
    ++out.confusion[static_cast<std::size_t>(winner.value_or(3))]
                   [static_cast<std::size_t>(predicted_winner(p))];
  }
  const Measures measures(predictions);
  const auto estimates = bootstrap(
      predictions.size(), kMeasures,
      [&](std::span<const std::uint32_t> counts, std::span<double> values) {
        std::ranges::copy(measures.on(counts), values.begin());
      },
      resampling);
  std::ranges::copy(estimates, out.measures.begin());
  out.reliability = reliability(predictions);
  const BaselineAnswers longer = longer_wins(predictions);
  out.languages = slices(group_rows(predictions, GroupBy::kLanguage), measures, longer, resampling);
  out.sources = slices(group_rows(predictions, GroupBy::kSource), measures, longer, resampling);
  out.lengths = slices(group_by_length(predictions), measures, longer, resampling);
  out.baselines.push_back(compare(predictions, longer, resampling));
  if (!features.empty())
    out.baselines.push_back(compare(predictions, features_only(predictions, features), resampling));
  return out;
}

std::vector<std::size_t> confident_errors(std::span<const Prediction> predictions, std::size_t most) {
  std::vector<std::size_t> wrong;
  for (std::size_t i = 0; i < predictions.size(); ++i) {
    const std::optional<int> winner = labelled_winner(predictions[i]);
    if (winner && *winner != predicted_winner(predictions[i])) wrong.push_back(i);
  }
  const auto confidence = [&](std::size_t i) {
    return predictions[i].probability[static_cast<std::size_t>(predicted_winner(predictions[i]))];
  };
  std::stable_sort(wrong.begin(), wrong.end(),
                   [&](std::size_t a, std::size_t b) { return confidence(a) > confidence(b); });
  wrong.resize(std::min(most, wrong.size()));
  return wrong;
}

}  // namespace preferd::training
