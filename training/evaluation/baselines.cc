#include "training/evaluation/baselines.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/splitmix.h"
#include "training/evaluation/logistic.h"
#include "training/evaluation/measures.h"

namespace preferd::training {
namespace {

constexpr std::size_t kMeasuresOfText = 20;  // three columns each, then three similarities
constexpr double kPenalty = 1;

Table design(std::span<const features::FeatureColumns> features) {
  static_assert(features::kPairColumns == 3 * kMeasuresOfText + 3);
  Table table{2 * kMeasuresOfText + 1, {}};
  table.values.reserve(features.size() * table.columns);
  for (const features::FeatureColumns& f : features) {
    const auto add = [&](double x) { table.values.push_back(std::isfinite(x) ? x : 0); };
    for (std::size_t m = 0; m < kMeasuresOfText; ++m) {
      add(f[3 * m]);
      add(f[3 * m + 2] - f[3 * m + 1]);
    }
    add(f[features::kPairColumns - 2] - f[features::kPairColumns - 3]);
  }
  return table;
}

// For each column (x - mean) / deviation over the rows that `fitted` names; a constant column becomes 0.
void standardise(Table& table, const std::vector<std::size_t>& fitted) {
  const auto n = static_cast<double>(fitted.size());
  for (std::size_t j = 0; j < table.columns; ++j) {
    double mean = 0, variance = 0;
    for (const std::size_t i : fitted) mean += table.row(i)[j] / n;
    for (const std::size_t i : fitted) variance += (table.row(i)[j] - mean) * (table.row(i)[j] - mean) / n;
    const double factor = variance > 1e-24 * (1 + mean * mean) ? 1 / std::sqrt(variance) : 0;
    for (std::size_t i = 0; i < table.rows(); ++i)
      table.values[i * table.columns + j] = (table.values[i * table.columns + j] - mean) * factor;
  }
}

// Predicts the rows of one fold from all others.
void predict_fold(const Table& all, std::span<const Prediction> predictions,
                  const std::vector<std::size_t>& folds, std::size_t fold,
                  std::vector<std::array<double, 3>>& into) {
  std::vector<std::size_t> fitted, held;
  for (std::size_t i = 0; i < folds.size(); ++i) (folds[i] == fold ? held : fitted).push_back(i);
  if (held.empty()) return;
  Table table = all;
  standardise(table, fitted);
  Table rows{table.columns, {}};
  for (const std::size_t i : fitted)
    rows.values.insert(rows.values.end(), table.row(i).begin(), table.row(i).end());
  const int classes = predictions.front().classes;
  for (std::size_t c = classes == 2 ? 1 : 0; c < static_cast<std::size_t>(classes); ++c) {
    std::vector<double> targets;
    for (const std::size_t i : fitted) targets.push_back(asked_target(predictions[i])[c]);
    const LogisticModel model = fit_logistic(rows, targets, kPenalty);
    for (const std::size_t i : held) into[i][c] = logistic(model, table.row(i));
  }
  for (const std::size_t i : held) {
    if (classes == 2) into[i][0] = 1 - into[i][1];
    const double sum = into[i][0] + into[i][1] + into[i][2];
    for (double& p : into[i]) p = sum > 0 ? p / sum : 1.0 / classes;
  }
}

}  // namespace

BaselineAnswers longer_wins(std::span<const Prediction> predictions) {
  BaselineAnswers out{"longer response wins", {}, {}};
  for (const Prediction& p : predictions) {
    const std::optional<int> winner = labelled_winner(p);
    const std::int64_t more = p.response_b_chars - p.response_a_chars;
    const int named = more > 0 ? 1 : more < 0 ? 0 : 2;
    const bool coin = named == 2 && p.classes == 2;
    out.right.push_back(!winner ? 0 : coin ? 0.5 : *winner == named ? 1 : 0);
  }
  return out;
}

BaselineAnswers features_only(std::span<const Prediction> predictions,
                              std::span<const features::FeatureColumns> features) {
  PREFERD_CHECK(predictions.size() == features.size());
  BaselineAnswers out{"text features only", {}, {}};
  out.probability.resize(predictions.size());
  if (predictions.empty()) return out;
  std::vector<std::size_t> folds;
  for (const Prediction& p : predictions) folds.push_back(mixed(fnv1a(p.id)) % kFolds);
  const Table all = design(features);
  for (std::size_t fold = 0; fold < kFolds; ++fold)
    predict_fold(all, predictions, folds, fold, out.probability);
  for (std::size_t i = 0; i < predictions.size(); ++i) {
    Prediction answer;
    answer.classes = predictions[i].classes;
    answer.probability = out.probability[i];
    const std::optional<int> winner = labelled_winner(predictions[i]);
    out.right.push_back(winner && *winner == predicted_winner(answer) ? 1 : 0);
  }
  return out;
}

double mcnemar_p(std::int64_t a, std::int64_t b) {
  const std::int64_t n = a + b, fewer = std::min(a, b);
  if (n == 0) return 1;
  const double all = static_cast<double>(n);
  double tail = 0;
  for (std::int64_t k = 0; k <= fewer; ++k) {
    const auto x = static_cast<double>(k);
    tail +=
        std::exp(std::lgamma(all + 1) - std::lgamma(x + 1) - std::lgamma(all - x + 1) - all * std::log(2.0));
  }
  return std::min(1.0, 2 * tail);
}

Comparison compare(std::span<const Prediction> predictions, const BaselineAnswers& baseline,
                   const Resampling& resampling) {
  PREFERD_CHECK(baseline.right.size() == predictions.size());
  const Measures model(predictions);
  std::vector<double> losses;
  if (!baseline.probability.empty()) {
    std::vector<Prediction> answers(predictions.size());
    for (std::size_t i = 0; i < answers.size(); ++i) {
      answers[i].target = predictions[i].target;
      answers[i].classes = predictions[i].classes;
      answers[i].probability = baseline.probability[i];
    }
    const Measures theirs(answers);
    for (const Measures::Row& row : theirs.rows()) losses.push_back(row.log_loss);
  }
  const auto statistics = [&](std::span<const std::uint32_t> counts, std::span<double> out) {
    double all = 0, decided = 0, theirs = 0, ours = 0, loss = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      const double n = counts[i];
      all += n;
      if (!losses.empty()) loss += n * losses[i];
      if (!model.rows()[i].decided) continue;
      decided += n;
      theirs += n * baseline.right[i];
      if (model.rows()[i].correct) ours += n;
    }
    if (decided > 0) {
      out[0] = theirs / decided;
      out[2] = (ours - theirs) / decided;
    }
    if (all > 0 && !losses.empty()) out[1] = loss / all;
  };
  const auto estimates = bootstrap(predictions.size(), 3, statistics, resampling);
  Comparison out;
  out.name = baseline.name;
  out.accuracy = estimates[0];
  out.log_loss = estimates[1];
  out.gain = estimates[2];
  for (std::size_t i = 0; i < predictions.size(); ++i) {
    const Measures::Row& row = model.rows()[i];
    if (!row.decided || baseline.right[i] == 0.5) continue;
    if (row.correct && baseline.right[i] == 0) ++out.only_model_right;
    if (!row.correct && baseline.right[i] == 1) ++out.only_baseline_right;
  }
  out.p_value = mcnemar_p(out.only_model_right, out.only_baseline_right);
  return out;
}

}  // namespace preferd::training
