// The forms that rows of pairs come in, as the one that is read: prompt, response_a, response_b.
//
//   prompt, response_a, response_b   itself
//   [prompt,] chosen, rejected       rows/preference.h
//   conversation_a, conversation_b   rows/arena.h
//
// A row without prompt may call it messages. Pure functions; any thread.
#pragma once

#include "base/json.h"
#include "base/result.h"
#include "rows/preference.h"

namespace preferd::rows {

// Rewrites `fields` where they are of another form. A row that has both responses is a pair, whatever else it has;
// but for training (kHashed) not with chosen or rejected beside them. Errors: those of the form, with the field.
Status to_pair(Json& fields, Sides sides);

}  // namespace preferd::rows
