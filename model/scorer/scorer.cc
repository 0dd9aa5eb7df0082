#include "model/scorer/scorer.h"

#include <cmath>

namespace preferd::scorer {

float sigmoid(float z) { return static_cast<float>(1 / (1 + std::exp(-static_cast<double>(z)))); }

Error no_reward(Rewards rewards) {
  const bool of_pair = rewards == Rewards::kOfPair;
  return {Code::kInvalid,
          of_pair ? "this package compares two responses by its features and gives none a reward of its own"
                  : "this package judges pairs of responses and gives none a reward of its own",
          {}};
}

Result<Encoded> Scorer::encode_response(const ResponseAsk&) const { return no_reward(info().rewards); }

}  // namespace preferd::scorer
