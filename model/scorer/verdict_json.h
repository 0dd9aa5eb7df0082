// Parts of a verdict as JSON members, in one form for every caller. Each function appends to an object that
// the caller has begun. Names no torch; inline, because the server does not link the scorer.
#pragma once

#include <vector>

#include "base/json.h"
#include "model/scorer/scorer.h"

namespace preferd::scorer {

// "probabilities": {"model_a", "model_b"[, "tie"]}
inline void write_probabilities(const std::vector<float>& probabilities, JsonWriter& json) {
  json.key("probabilities").begin_object();
  for (std::size_t i = 0; i < probabilities.size(); ++i) json.member(kClassNames.at(i), probabilities[i]);
  json.end_object();
}

// "tokens": {"prompt", "response_a", "response_b", "total"}
inline void write_tokens(const text::TokenCounts& tokens, JsonWriter& json) {
  json.key("tokens").begin_object();
  json.member("prompt", tokens.prompt).member("response_a", tokens.response_a);
  json.member("response_b", tokens.response_b).member("total", tokens.total).end_object();
}

// "truncated": {PART: {"tokens", "chars"}, ...}, only for parts that lost something
inline void write_truncated(const text::Truncated& truncated, JsonWriter& json) {
  json.key("truncated").begin_object();
  for (std::size_t i = 0; i < truncated.size(); ++i) {
    if (!truncated[i].any()) continue;
    json.key(text::kPartNames[i]).begin_object();
    json.member("tokens", truncated[i].tokens).member("chars", truncated[i].chars).end_object();
  }
  json.end_object();
}

// "path": [{"member", "probabilities"}, ...]; nothing for a package.
inline void write_path(const std::vector<MemberSaid>& path, JsonWriter& json) {
  if (path.empty()) return;
  json.key("path").begin_array();
  for (const MemberSaid& said : path) {
    json.begin_object().member("member", said.member);
    write_probabilities(said.probabilities, json);
    json.end_object();
  }
  json.end_array();
}

}  // namespace preferd::scorer
