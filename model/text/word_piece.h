// WordPiece of tokenizer.json (BERT and its relatives): the longest piece that begins a word, then the longest
// one with the prefix "##" that goes on with it, and so on; one unknown token where that fails.
#pragma once

#include <memory>

#include "model/text/model_json.h"

namespace preferd::text {

// Ids are those of Hugging Face tokenizers, except that pieces that are control tokens are never made from
// text. Errors: a vocabulary without the unknown token; a normalizer, pre-tokenizer or option that is not one
// of the supported ones.
Result<std::shared_ptr<const Tokenizer>> make_word_piece(const TokenizerJson& file, const EndNames& ends);

}  // namespace preferd::text
