// Byte-level BPE (GPT-2's, used by Llama-3, Qwen2 and SmolLM2): text is split into words, a word's bytes are
// its characters, and merges join them.
#pragma once

#include <memory>

#include "model/text/model_json.h"

namespace preferd::text {

// Errors: a normalizer, pre-tokenizer or option that is not one of the supported ones.
Result<std::shared_ptr<const Tokenizer>> make_byte_level(const Json& file, BpeModel model,
                                                         const EndNames& ends);

}  // namespace preferd::text
