// Parts of a verdict as JSON members, one form for every door. Each appends to an object that the caller has
// begun. Names no torch.
#pragma once

#include <vector>

#include "base/json.h"
#include "model/scorer/scorer.h"

namespace preferd {

// "probabilities": {"model_a", "model_b"[, "tie"]}
void write_probabilities(const std::vector<float>& probabilities, JsonWriter& json);

// "tokens": {"prompt", "response_a", "response_b", "total"}
void write_tokens(const TokenCounts& tokens, JsonWriter& json);

// "truncated": {PART: {"tokens", "chars"}, ...}, parts that lost something alone
void write_truncated(const Truncated& truncated, JsonWriter& json);

// "path": [{"member", "probabilities"}, ...]; nothing of a package.
void write_path(const std::vector<MemberSaid>& path, JsonWriter& json);

}  // namespace preferd
