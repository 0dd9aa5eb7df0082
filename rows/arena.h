// Exports of the Chatbot Arena: conversation_a and conversation_b, lists of {role, content} turns (rows/turns.h) that
// end with the assistant's.
//
//   the turns before the last are the same    they are the prompt, the last contents are the responses
//   an earlier turn of the assistant differs   the turns up to the first of the user are the prompt, the rest of
//                                              each side, flattened with headings, is its response
//
// Pure functions; any thread.
#pragma once

#include "base/json.h"
#include "base/result.h"

namespace preferd::rows {

// True where a field of this form is there and not null.
bool is_arena(const Json& fields);

// Rewrites `fields`; others than the two and the three of a pair stay. Requires is_arena(). Errors, with the field:
// one of the two is missing or no list of turns, the last turn is not the assistant's, what was asked differs, a
// field of another form stands beside them.
Status arena_to_pair(Json& fields);

}  // namespace preferd::rows
