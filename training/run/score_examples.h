// Verdicts of a written package on examples that are already encoded, by the engine that serves.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/result.h"
#include "model/scorer/scorer.h"
#include "training/data/encoded_store.h"

namespace preferd::training {

// An ensemble or a cascade has no logits; instead these are the logarithms of its probabilities, with those
// below the smallest normal float replaced by it, so that a softmax gives the probabilities again.
struct Scored {
  std::vector<float> logits;                  // in the given order, as the head gives them
  std::optional<std::vector<float>> swapped;  // in the exchanged order, if the store has it
  std::int64_t tokens = 0;                    // in the given order
};

// Either may be empty; `cancelled` is asked between forwards.
struct ScoreEvents {
  std::function<void(double share)> progress;
  std::function<bool()> cancelled;
};

// One for each place of the store, in order. Errors: logits that are not finite, with the row's place in its
// file; kCancelled.
Result<std::vector<Scored>> score_examples(scorer::Scorer& scorer, const Dataset& data,
                                           const EncodedStore& store, const ScoreEvents& events);

}  // namespace preferd::training
