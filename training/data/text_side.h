// What turns pairs into tokens, as the store of encoded examples sees it.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "model/scorer/pair_encoder.h"

namespace preferd::training {

struct TextSide {
  std::function<Result<scorer::Encoded>(const scorer::Ask&)> encode;  // any thread
  std::string key;        // bytes that change with anything that affects encode()
  bool mirrored = false;  // whether the orders of a pair are exact mirrors (difference heads), so that one is
                          // enough
};

// The text side of one package: its `input` and `features` sections, output kind, tokenizer files and feature
// statistics. Borrows the encoder. Errors: a file that cannot be read.
Result<TextSide> text_side(const scorer::PairEncoder& encoder);

}  // namespace preferd::training
