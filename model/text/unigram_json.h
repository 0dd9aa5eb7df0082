// Unigram of tokenizer.json: DeBERTa-v3's and mDeBERTa's fast tokenizers. Text is normalized, cut before each
// U+2581 that stands for a space, and each word is segmented by highest total score.
//
// Ids are those of Hugging Face tokenizers, whose double-precision scores decide some ties otherwise than
// SentencePiece's. One thing is not theirs: pieces that are control tokens are never made from text.
#pragma once

#include <memory>

#include "model/text/model_json.h"

namespace preferd::text {

// Errors: a malformed vocabulary; a normalizer, pre-tokenizer or option that is not one of the supported
// ones.
Result<std::shared_ptr<const Tokenizer>> make_unigram(const Json& file, const EndNames& ends);

}  // namespace preferd::text
