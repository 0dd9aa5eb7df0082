// What has misled people about published models, found in a package's files: a sentence each.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "model/scorer/pair_encoder.h"

namespace preferd::convert {

// Of its text: a BOS that the tokenizer adds by itself, beside the template that writes one or none; blocks of
// thought in a chat template; a pad token that ends the text.
Result<std::vector<std::string>> traps_of_text(const scorer::PairEncoder& encoder);

// Of its base: a cap or a window of attention that other programs drop.
Result<std::vector<std::string>> traps_of_base(const scorer::PairEncoder& encoder);

}  // namespace preferd::convert
