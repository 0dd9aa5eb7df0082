// A head of distributions over bins, as LDL-Reward publishes it (Chen et al., label distribution learning): both
// networks read the same state,
//
//   regression_layer.network.<i>.*   linears with leaky ReLU between; for each objective logits of its bins
//   gating_layer.network.<i>.*       the same; a weight for each objective, as it is or (softmax of config.json) in
//                                    a softmax over `temperature`
//
//   reward = sum over objectives of weight * sum over bins k of softmax(logits)_k * k / (bins - 1)
//
// They are among the tensors of the model, or in regression_layer.safetensors and gating_layer.safetensors beside it,
// without the modules' names.
#pragma once

#include <optional>

#include "base/files.h"
#include "base/result.h"
#include "model/convert/head_parts.h"

namespace preferd::convert {

// `beside`: the tensors of `base` that its body does not read, by their names. Nothing where there is no such head.
// Errors: parts that are missing, left over, of another shape, or in a file of PyTorch's own.
Result<std::optional<PublishedHead>> binned_head(const Files& base, const BesideBody& beside);

}  // namespace preferd::convert
