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
#include "server/scheduling/queue.h"

namespace preferd::server {

// The members of a full reply, into an object that the caller has begun. `pair` has an id; `total_seconds`:
// since the request arrived.
void render(const PairRequest& pair, const Job& job, const scorer::Verdict& verdict,
            const scorer::ScorerInfo& info, double total_seconds, JsonWriter& json);

// "timing": {...}
void render_timing(const Timing& timing, double total_seconds, JsonWriter& json);

// What a scorer is, its members included, as members of an object that the caller has begun.
void describe(const scorer::ScorerInfo& info, JsonWriter& json);

// "error": {...} of an item.
void render_item_error(const std::optional<std::string>& id, const Error& error, JsonWriter& json);

}  // namespace preferd::server
