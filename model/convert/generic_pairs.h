// Pairs whose golden logits are recorded when nobody provides rows: short texts of many kinds (languages,
// code, lists, numbers, control tokens as text), none of them empty. They show that a package computes what
// it computed before, not that it is good.
#pragma once

#include <vector>

#include "model/scorer/golden.h"

namespace preferd::convert {

// Returns 16 pairs, "generic-01" to "generic-16", without logits; the same in every build.
std::vector<scorer::GoldenPair> generic_pairs();

}  // namespace preferd::convert
