// Unigram models in tokenizer.json: the fast tokenizers of DeBERTa-v3 and mDeBERTa. Text is normalized and
// split before each U+2581 that stands for a space, and each word is segmented by the highest total score.
//
// Ids are those of Hugging Face tokenizers, whose double-precision scores decide some ties differently from
// SentencePiece. There is one difference from them: pieces that are control tokens are never made from text.
#pragma once

#include <memory>

#include "model/text/model_json.h"

namespace preferd::text {

// Errors: a malformed vocabulary; a normalizer, pre-tokenizer or option that is not one of the supported
// ones.
Result<std::shared_ptr<const Tokenizer>> make_unigram(const Json& file, const EndNames& ends);

}  // namespace preferd::text
