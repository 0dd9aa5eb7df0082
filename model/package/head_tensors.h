// Names of a head's tensors: ours in a head's file, PEFT's in an adapter's.
#pragma once

#include <string>

#include "base/result.h"
#include "model/checkpoint/safetensors.h"
#include "model/package/head_spec.h"

namespace preferd::package {

// A head that PEFT saved with its adapter (score, score.<i>, pooler.dense and classifier, or classifier.dense
// and classifier.out_proj) renamed to the layers of `spec`; `where` is for messages.
Result<checkpoint::TensorMap> head_from_adapter(const HeadSpec& spec, checkpoint::TensorMap tensors,
                                                const std::string& where);

}  // namespace preferd::package
