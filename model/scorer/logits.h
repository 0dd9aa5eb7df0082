// From pooled states to the logits of items that share one adapter. Includes torch; internal to the room.
#pragma once

#include <span>

#include <ATen/core/Tensor.h>

#include "model/ops/compute.h"
#include "model/scorer/adapted_model.h"
#include "model/scorer/scorer.h"

namespace preferd::scorer {

using AdapterMaps = std::span<const std::map<std::string, checkpoint::LoraWeights>* const>;

// `states` [sequences of the items in order, width]. Returns what the adapter's head (without one: rows of
// the LM head) computes from them and from the items' features, which have `columns` columns each: one row
// per pair, or one row per sequence for a difference head.
at::Tensor item_logits(ops::Compute& compute, const AdaptedModel& model, AdapterMaps projections,
                       std::span<const Encoded* const> items, std::int64_t columns, const at::Tensor& states);

}  // namespace preferd::scorer
