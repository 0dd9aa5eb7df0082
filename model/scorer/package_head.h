// The head of one adapter as its package has it: from head.file, or from what PEFT saved with the adapter.
// The room's own.
#pragma once

#include <string>

#include "base/result.h"
#include "model/checkpoint/safetensors.h"
#include "model/layers/head.h"
#include "model/scorer/pair_encoder.h"

namespace preferd::scorer {

// `saved`: of the adapter in `folder` ("" where there is none); `width`: of a pooled state. Errors: a head in
// both places or in neither, as Head::create has.
Result<layers::Head> make_head(const PairEncoder& encoder, const package::HeadSpec& spec,
                               checkpoint::TensorMap saved, const std::string& folder, std::int64_t width);

}  // namespace preferd::scorer
