// The forms that rows of pairs come in, as the one that is read: prompt, response_a, response_b.
//
//   prompt, response_a, response_b   itself
//   [prompt,] chosen, rejected       rows/preference.h
//
// Pure functions; any thread.
#pragma once

#include "base/json.h"
#include "base/result.h"
#include "rows/preference.h"

namespace preferd::rows {

// Rewrites `fields` where they are of another form. Where a row is scored (kChosenFirst), a row that has both
// responses is a pair, whatever else it has. Errors: those of the form, with the field.
Status to_pair(Json& fields, Sides sides);

}  // namespace preferd::rows
