// BPE over characters, with pieces <0x00>..<0xFF> for characters that are not in the vocabulary, and U+2581
// for spaces: Gemma's tokenizer.json, and Llama-2's, which puts a U+2581 before every part of a text between
// added tokens.
#pragma once

#include <memory>

#include "model/text/model_json.h"

namespace preferd::text {

// Errors: a normalizer, pre-tokenizer or option that is not one of the supported ones.
Result<std::shared_ptr<const Tokenizer>> make_byte_fallback(const Json& file, BpeModel model,
                                                            const EndNames& ends);

}  // namespace preferd::text
