// The measures of a set of predictions, on any multiset of its rows. Pure functions; any thread.
//
// t is the label as asked_target() gives it, p the probabilities; logarithms are natural:
//
//   accuracy   share of rows with a labelled winner on which the predicted winner is the labelled one
//   log_loss   mean over all rows of -sum t ln p, with p at least 2^-52 (as in scikit-learn)
//   brier      mean over all rows of sum (p - t)^2; with two classes halved, which is (p_b - t_b)^2
//   ece        expected calibration error (Guo et al., arXiv 1706.04599) over rows with a labelled winner:
//              15 bins of equal width of the winner's probability, right ends included; sum of
//              share of rows x |accuracy - mean confidence|
//   auc        over rows that a response has won: the chance that response_b_share() is larger where b won
//              than where a won, with equal ones counting half (midranks)
//   flip_rate  share of rows with a known order_flip() that flip
//   order_gap  mean of the known gaps
//
// By hand: each is a few lines, on rows that count as often as a bootstrap has drawn them. The tests hold them
// against scikit-learn.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "training/evaluation/prediction.h"

namespace preferd::training {

inline constexpr std::size_t kCalibrationBins = 15;

enum Measure { kAccuracy, kLogLoss, kBrier, kEce, kAuc, kFlipRate, kOrderGap, kMeasures };

// The bin of a probability: (i / 15, (i + 1) / 15], with 0 in the first.
std::size_t calibration_bin(double probability);

class Measures {
 public:
  explicit Measures(std::span<const Prediction> predictions);

  // Row i taken counts[i] times. NaN where no row counts.
  std::array<double, kMeasures> on(std::span<const std::uint32_t> counts) const;

  struct Row {
    double log_loss = 0, brier = 0, confidence = 0, order_gap = 0;
    std::uint8_t bin = 0;                   // of confidence
    bool decided = false, correct = false;  // whether there is a labelled winner; whether it was predicted
    bool has_gap = false, has_flip = false, flipped = false;
  };
  const std::vector<Row>& rows() const { return rows_; }

 private:
  double auc(std::span<const std::uint32_t> counts) const;

  std::vector<Row> rows_;
  struct Ranked {
    double score;
    std::uint32_t row;
    bool b_won;
  };
  std::vector<Ranked> ranked_;  // rows that a response has won, by score
};

}  // namespace preferd::training
