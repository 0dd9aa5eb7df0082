// Golden pairs of a package that is being made (model/scorer/golden.h reads them).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "training/data/dataset.h"
#include "training/data/encoded_store.h"
#include "training/run/score_examples.h"

namespace preferd::training {

// The text of golden.jsonl for `count` examples, spread over the store, each with the shortest texts of its
// part; empty if there are fewer than the 16 that a package needs.
Result<std::string> golden_text(const Dataset& data, const EncodedStore& store,
                                const std::vector<Scored>& scored, std::size_t count);

}  // namespace preferd::training
