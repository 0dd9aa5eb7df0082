// Votes in the form of preference optimisation: chosen, rejected and mostly prompt.
//
// chosen and rejected are texts, LMSYS turn lists (rows/turns.h) or lists of {role, content} turns that end
// with the assistant's answer. Turns before it must be the prompt's. Without a prompt it is what both share:
//
//   both are lists   the longest common prefix of turns, as TRL takes it; one answer must follow on each side
//   both are texts   of the form "\n\nHuman: ...\n\nAssistant: ..." (HH-RLHF): their common prefix up to its last
//                    "\n\nAssistant:", with that; the answers are what follows, byte for byte
//   one is a list    the turns before its answer
//
// Pure functions; any thread.
#pragma once

#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace preferd::rows {

// Which answer becomes response_a.
enum class Sides {
  kChosenFirst,  // chosen: what is scored is to be told apart by its place
  // Hashes of the texts alone decide, never which was chosen: a place says nothing of the vote, and the same
  // texts stand the same way round in every file and in every run. The row gets a winner.
  kHashed,
};

// True where a field of this form is there and not null.
bool is_preference(const Json& fields);

// Rewrites `fields`; others than those of either form stay. Requires is_preference(). Errors, with the field:
// chosen or rejected is missing, there is no prompt, a text of the other form stands beside them (kHashed: or a
// label), turns that do not fit.
Status preference_to_pair(Json& fields, Sides sides);

}  // namespace preferd::rows
