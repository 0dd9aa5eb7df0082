#include "rows/forms.h"

namespace preferd::rows {

Status to_pair(Json& fields, Sides sides) {
  const bool is_pair = fields.contains("response_a") && fields.contains("response_b");
  if (is_pair && sides == Sides::kChosenFirst) return Ok{};
  if (is_preference(fields)) return preference_to_pair(fields, sides);
  return Ok{};
}

}  // namespace preferd::rows
