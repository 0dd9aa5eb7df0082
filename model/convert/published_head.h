// The head that a published directory holds among the tensors of its base, as Hugging Face's classes and the
// reward classes of the field name it:
//
//   score, classifier, v_head, ...         one linear, or an nn.Sequential of linears (score.0, score.2)
//   v_head.summary, value_head.summary     the same, as TRL and LLaMA-Factory write it
//   pooler.dense + classifier              DebertaV2ForSequenceClassification, BertForSequenceClassification
//   classifier.dense + classifier.out_proj RobertaForSequenceClassification, XLMRoberta...
//   and those of gated_head.h, binned_head.h, marked_head.h and prediction_head.h
//
// What the files do not say is taken from config.json or, with a note, from what published classes do.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/result.h"
#include "model/checkpoint/safetensors.h"

namespace preferd::convert {

using OrderedJson = nlohmann::ordered_json;

struct PublishedHead {
  std::string name;     // of its module: "score"
  OrderedJson section;  // "head" of package.json: pooling, skip_token, layers; without file and output
  checkpoint::TensorMap tensors;  // layers.<i>.weight|bias, as section.layers numbers them
  std::int64_t outputs = 0;
  std::vector<std::string> notes;  // a sentence each
};

// Nothing if the base holds no head. Errors: two heads, by name; parts of one that do not fit together; those
// of reading the base.
Result<std::optional<PublishedHead>> published_head(const Files& base);

// The same in value_head.safetensors beside a PEFT adapter, as TRL and LLaMA-Factory write it; nothing if there
// is no such file.
Result<std::optional<PublishedHead>> head_beside_adapter(const Files& adapter, const Files& base);

// The same among the tensors of a PEFT adapter, where the package reads it from there; nothing if it saved
// none.
Result<std::optional<PublishedHead>> head_in_adapter(const Files& adapter, const Files& base);

// Adds skip_token to the section of a head: what transformers' sequence classifiers skip at the end of a text,
// config.json's pad_token_id; nothing for encoders, which read the first token.
Status add_skipped_token(const Files& base, OrderedJson& section);

}  // namespace preferd::convert
