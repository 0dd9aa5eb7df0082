// A head of several objectives under a gate, as ArmoRM publishes it (model/package/head_spec.h: GateSpec):
//
//   regression_layer.weight    [objectives, hidden]
//   reward_transform_matrix    [objectives, objectives]; the values are the objectives times it
//   gating.layers.<i>.*        linears with ReLU between them
//   gating.logit_scale         [1], a factor of the weights
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/files.h"
#include "base/result.h"
#include "model/convert/published_head.h"

namespace preferd::convert {

// `beside`: the tensors of `base` that its body does not read, by their names. Nothing where none of them is a
// gate. Errors: parts that are missing, left over or of another shape; a family whose assistant's header is not
// known.
Result<std::optional<PublishedHead>> gated_head(
    const Files& base, const std::map<std::string, const checkpoint::StoredTensor*>& beside);

}  // namespace preferd::convert
