// A head that compares two responses in one text at the states of three markers, as PairRM publishes it
// (model/package/head_spec.h: Markers; class DebertaV2PairRM):
//
//   source_prefix_id, cand1_prefix_id, cand2_prefix_id   of config.json: the markers
//   head_layer.<i>.*                                     linears with tanh between, whose outputs are averaged
//
// Its text is [CLS] <|source|> prompt [SEP] [CLS] <|candidate1|> a [SEP] [CLS] <|candidate2|> b [SEP] (in the tokenizer's
// own tokens), which encoder_input.h makes.
#pragma once

#include <optional>

#include "base/files.h"
#include "base/result.h"
#include "model/convert/head_parts.h"

namespace preferd::convert {

// The length at which the published code cuts its texts, whatever positions config.json names.
inline constexpr int kMarkedTokens = 2048;

// `beside`: the tensors of `base` that its body does not read, by their names. Nothing where config.json names no
// markers. Errors: parts that are missing, left over or of another shape; another family.
Result<std::optional<PublishedHead>> marked_head(const Files& base, const BesideBody& beside);

}  // namespace preferd::convert
