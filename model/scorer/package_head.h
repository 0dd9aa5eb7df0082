// The head of one adapter as its package has it: from head.file, or from what PEFT saved with the adapter.
// Internal to the room.
#pragma once

#include <string>

#include "base/result.h"
#include "model/checkpoint/safetensors.h"
#include "model/layers/head.h"
#include "model/scorer/pair_encoder.h"

namespace preferd::scorer {

// `saved`: tensors of the adapter in `folder` ("" if there is none); `width`: width of a pooled state.
// Errors: a head in both places or in neither, and those of Head::create.
Result<layers::Head> make_head(const PairEncoder& encoder, const package::HeadSpec& spec,
                               checkpoint::TensorMap saved, const std::string& folder, std::int64_t width);

}  // namespace preferd::scorer
