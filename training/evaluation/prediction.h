// A model's answer for one labelled pair.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace preferd::training {

struct Prediction {
  std::string id, source, language;     // source and language may be empty
  std::array<double, 3> target{};       // p(model_a), p(model_b), p(tie); sums to 1
  std::array<double, 3> probability{};  // likewise; with two classes the third is 0
  int classes = 2;                      // 2, or 3 with ties
  std::int64_t tokens = 0;
  std::int64_t prompt_chars = 0, response_a_chars = 0, response_b_chars = 0;  // code points
  std::optional<double> order_gap{};  // largest difference between a probability and its mirror
  std::optional<bool> flipped{};      // whether the two orders name different winners (metrics.h: where it is
                                      // unset)
  std::string prompt{}, response_a{}, response_b{};  // excerpts for people; may be empty
};

// The label as a model with two classes is asked for it: half of the tie goes to each response. With three
// classes, the label itself.
std::array<double, 3> asked_target(const Prediction& p);

// The index of the label's unique largest class; none if two are equal, or with two classes if it is the tie.
std::optional<int> labelled_winner(const Prediction& p);

// The index of the largest probability; the first of equal ones, as in verdicts.
int predicted_winner(const Prediction& p);

// p(model_b) among the two responses only; 0.5 if neither has any probability.
double response_b_share(const Prediction& p);

// flipped; if it is unset and there are two classes, |p_b - p_a| < order_gap, which is equivalent; otherwise
// nothing.
std::optional<bool> order_flip(const Prediction& p);

}  // namespace preferd::training
