// A SentencePiece .model: normalization, then Unigram or BPE, then bytes for what no piece matches.
//
// Ids and positions are those of the sentencepiece library 0.2. The library itself is not used: Debian's
// 0.1.97 decides ties between Unigram segmentations differently, takes quadratic time for runs of unknown
// characters, and adds its dummy prefix to every text, even to one that follows control tokens.
#pragma once

#include <memory>
#include <string_view>

#include "model/text/model_json.h"

namespace preferd::text {

// `proto`: the file's bytes, not needed afterwards. Names that `ends` leaves open come from the model.
// Errors: a malformed file, or a model that is neither Unigram nor BPE.
Result<std::shared_ptr<const Tokenizer>> make_sentence_piece(std::string_view proto, const EndNames& ends);

}  // namespace preferd::text
