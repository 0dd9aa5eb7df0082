// Verdicts as JSON. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/scorer/scorer.h"
#include "server/api/api.h"

namespace preferd::server {

struct Timing {
  double encode_ms = 0, queue_ms = 0, forward_ms = 0, total_ms = 0;
};

// Everything that one reply is made of.
struct Answer {
  std::string id;
  const scorer::ScorerInfo* info = nullptr;
  scorer::Verdict verdict;
  Wanted wanted;
  std::vector<float> features;  // where wanted
  Timing timing;
};

// The members of a full reply, into an object that the caller has begun.
void render(const Answer& answer, JsonWriter& json);

// What a scorer is, its members included, as members of an object that the caller has begun.
void describe(const scorer::ScorerInfo& info, JsonWriter& json);

// "error": {...} of an item.
void render_item_error(const std::optional<std::string>& id, const Error& error, JsonWriter& json);

}  // namespace preferd::server
