// A question with two answers, and the report on it once it has become token ids.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "rows/turns.h"

namespace preferd::text {

struct Pair {
  std::string prompt, response_a, response_b;  // flattened, valid UTF-8
  std::vector<rows::Turn> turns = {};          // what `prompt` was; empty: one user turn
};

// A prompt with one response to it.
struct Single {
  std::string prompt, response;        // flattened, valid UTF-8
  std::vector<rows::Turn> turns = {};  // as in Pair
};

enum class Part { kPrompt, kResponseA, kResponseB, kTemplate };
inline constexpr std::array<const char*, 4> kPartNames = {"prompt", "response_a", "response_b", "template"};

// Tokens of the final sequences that carry at least one character of the field. A token across template and
// field counts for the field, one across two fields for the first. total: all ids, including BOS and EOS. If
// there are two sequences, the counts are summed over both (the prompt then counts twice). A single response is
// response_a.
struct TokenCounts {
  std::int64_t prompt = 0, response_a = 0, response_b = 0, total = 0;
};

// What truncation took from a part. right and left: ids removed, and code points that no kept token covers.
// ratio and proportional: what the cut in the middle took, counted on the field tokenized alone.
struct Lost {
  std::int64_t tokens = 0, chars = 0;
  bool any() const { return tokens != 0 || chars != 0; }
};
using Truncated = std::array<Lost, 4>;  // by Part

}  // namespace preferd::text
