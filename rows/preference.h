// Votes in the form of preference optimisation: prompt, chosen, rejected.
//
// Such a row becomes prompt, response_a, response_b and winner. Which of the two answers is response_a is
// decided by hashes of the texts alone, never by which was chosen: a place says nothing of the vote, and the
// same texts stand the same way round in every file and in every run.
//
// chosen and rejected are texts, LMSYS turn lists (rows/turns.h) or lists of {role, content} turns that end
// with the assistant's answer. Turns before it must be the prompt's; without a prompt they are the prompt.
// Pure functions; any thread.
#pragma once

#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace preferd::rows {

// True where a field of this form is there and not null.
bool is_preference(const Json& fields);

// Rewrites `fields`; others than the six stay. Requires is_preference(). Errors, with the field: one of the
// three is missing, a text or a label of the other form stands beside them, turns that do not fit.
Status to_pair(Json& fields);

}  // namespace preferd::rows
