// A head of several objectives under a gate, as ArmoRM publishes it (model/package/head_spec.h: GateSpec):
//
//   regression_layer.weight    [objectives, hidden]
//   reward_transform_matrix    [objectives, objectives]; the values are the objectives times it
//   gating.layers.<i>.*        linears with ReLU between them
//   gating.logit_scale         [1], a factor of the weights
//
// or as QRM does (Dorka, Quantile Regression for Distributional Reward Models in RLHF, 2024): with num_quantiles of
// config.json, regression_layer gives so many quantiles of each objective, whose mean is its value; and between the
// gate's linears are ReLU and batch norm, which goes into the linear behind it.
#pragma once

#include <optional>

#include "base/files.h"
#include "base/result.h"
#include "model/convert/head_parts.h"

namespace preferd::convert {

// `beside`: the tensors of `base` that its body does not read, by their names. Nothing where none of them is a
// gate. Errors: parts that are missing, left over or of another shape; a family whose assistant's header is not
// known.
Result<std::optional<PublishedHead>> gated_head(const Files& base, const BesideBody& beside);

}  // namespace preferd::convert
