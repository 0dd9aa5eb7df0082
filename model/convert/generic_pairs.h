// Pairs to record golden logits of where nobody gives rows: short texts of many kinds (languages, code,
// lists, numbers, control tokens as text), none of them empty. They show that a package computes what it
// computed, not that it is good.
#pragma once

#include <vector>

#include "model/scorer/golden.h"

namespace preferd::convert {

// 16 of them, "generic-01" to "generic-16", without logits; the same in every build.
std::vector<scorer::GoldenPair> generic_pairs();

}  // namespace preferd::convert
