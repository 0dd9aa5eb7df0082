// A SentencePiece .model, run by Google's library.
#pragma once

#include <memory>
#include <string_view>

#include "model/text/model_json.h"

namespace preferd {

// `proto`: the file's bytes. Names that `ends` leaves open come from the model.
Result<std::shared_ptr<const Tokenizer>> make_sentence_piece(std::string_view proto, const EndNames& ends);

}  // namespace preferd
