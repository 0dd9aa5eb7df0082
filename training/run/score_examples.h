// Verdicts of a written package on examples that are encoded already: the engine that serves, on the CPU.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/result.h"
#include "model/scorer/scorer.h"
#include "training/data/encoded_store.h"

namespace preferd::training {

struct Scored {
  std::vector<float> logits;                  // of the given order, as the head gives them
  std::vector<float> probabilities;           // of the given order, calibrated
  std::optional<std::vector<float>> swapped;  // probabilities of the exchanged order, for its classes
  std::int64_t tokens = 0;                    // of the given order
};

// One a place of the store, in order. Errors: logits that are not finite, with the row's place in its file.
Result<std::vector<Scored>> score_examples(Scorer& scorer, const Dataset& data, const EncodedStore& store,
                                           const std::function<void(double share)>& progress);

}  // namespace preferd::training
