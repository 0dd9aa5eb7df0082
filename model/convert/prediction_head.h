// The head of ModernBertForSequenceClassification, over the first token or the mean, as classifier_pooling of
// config.json says:
//
//   head.dense.*     [hidden, hidden], then classifier_activation
//   head.norm.*      a layer norm, whose parameters go into the classifier
//   classifier.*     [labels, hidden]
#pragma once

#include <optional>

#include "base/files.h"
#include "base/result.h"
#include "model/convert/head_parts.h"

namespace preferd::convert {

// `beside`: the tensors of `base` that its body does not read, by their names. Nothing in other families, and where
// there is no classifier. Errors: parts that are missing, left over or of another shape.
Result<std::optional<PublishedHead>> prediction_head(const Files& base, const BesideBody& beside);

}  // namespace preferd::convert
