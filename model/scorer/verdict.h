// From logits to a verdict: calibration, probabilities, swap. fp32.
#pragma once

#include <span>
#include <vector>

#include "base/result.h"
#include "model/package/head_spec.h"
#include "model/scorer/scorer.h"

namespace preferd::scorer {

// model_a, model_b[, tie]. A difference head gives one logit per response; a head of width one gives p_b =
// sigmoid; all others give a softmax. The temperature divides the logits (difference: their difference).
// Mirrors are exact: the probabilities of the exchanged logits are the exchanged probabilities, bit for bit.
std::vector<float> probabilities(package::Output output, std::span<const float> logits, float temperature);

// Exchanges model_a's and model_b's shares.
std::vector<float> mirrored(std::vector<float> probabilities);

// The verdict from by_order: probabilities, winner and, for two orders, their gap.
Verdict verdict_of(std::vector<std::vector<float>> by_order);

// `logits`: one vector per order of the item. kNonFinite when one of them is NaN or infinite.
Result<Verdict> make_verdict(package::Output output, const Encoded& item,
                             const std::vector<std::vector<float>>& logits, float temperature);

}  // namespace preferd::scorer
