// From logits to a verdict: calibration, probabilities, swap. fp32.
#pragma once

#include <span>
#include <vector>

#include "base/result.h"
#include "model/package/head_spec.h"
#include "model/scorer/scorer.h"

namespace preferd::scorer {

// model_a, model_b[, tie]. A difference head gives one logit a response; a head one wide gives p_b = sigmoid;
// the others a softmax. The temperature divides the logits (difference: their difference). Exact mirrors: the
// probabilities of the exchanged logits are the exchanged probabilities, bit for bit.
std::vector<float> probabilities(package::Output output, std::span<const float> logits, float temperature);

// model_a's share for model_b's.
std::vector<float> mirrored(std::vector<float> probabilities);

// The verdict on by_order: probabilities, winner and, of two orders, their gap.
Verdict verdict_of(std::vector<std::vector<float>> by_order);

// `logits`: one vector an order of the item. kNonFinite when one is NaN or infinite.
Result<Verdict> make_verdict(package::Output output, const Encoded& item,
                             const std::vector<std::vector<float>>& logits, float temperature);

}  // namespace preferd::scorer
