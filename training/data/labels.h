// What the fields of a row say about who won. Pure functions; any thread.
//
//   winner          "winner": "model_a" | "model_b" | "tie" | "tie (bothbad)" | "both_bad" | "bothbad",
//                   each of the last four a tie
//   one-hot         "winner_model_a", "winner_model_b"[, "winner_tie"]: 0 or 1, exactly one of them 1
//   soft            "p_b"[, "p_tie"]: probabilities; p_a is what is left
//
// In CSV the numbers are texts. A label of null counts as absent.
#pragma once

#include "base/json.h"
#include "base/result.h"
#include "base/words.h"
#include "training/data/example.h"

namespace preferd::training {

// kAuto: whichever the row has; two kinds in one row are refused. kTeacher: the row's own label is ignored,
// and its target will be the teacher's.
enum class Labels { kAuto, kWinner, kOneHot, kSoft, kTeacher };
constexpr auto words(Labels) {
  return word_list<Labels>({{"auto", Labels::kAuto},
                            {"winner", Labels::kWinner},
                            {"one_hot", Labels::kOneHot},
                            {"soft", Labels::kSoft},
                            {"teacher", Labels::kTeacher}});
}

// Requires labels != kTeacher. Errors: no label, an unknown winner, not exactly one 1, a number out of range.
Result<Target> label_of(const Json& fields, Labels labels);

}  // namespace preferd::training
