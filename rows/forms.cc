#include "rows/forms.h"

#include <utility>

#include "rows/arena.h"

namespace preferd::rows {

Status to_pair(Json& fields, Sides sides) {
  if (const auto messages = fields.find("messages"); messages != fields.end() && !messages->is_null()) {
    Json& prompt = fields["prompt"];
    if (prompt.is_null()) prompt = std::move(fields["messages"]);
  }
  const bool is_pair = fields.contains("response_a") && fields.contains("response_b");
  if (is_pair && (sides == Sides::kChosenFirst || !is_preference(fields))) return Ok{};
  if (is_arena(fields)) return arena_to_pair(fields);
  if (is_preference(fields)) return preference_to_pair(fields, sides);
  return Ok{};
}

}  // namespace preferd::rows
