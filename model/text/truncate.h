// Makes a sequence fit by cutting its ends, or the middles of its fields.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/text/compose.h"

namespace preferd::text {

using LostByOwner = std::array<Lost, 4>;  // by Owner

enum class End { kFront, kBack };

// Drops at least `need` tokens from one end of those outside the chat wrapper, or more if the cut would be
// inside a code point. Errors: there are fewer.
Status cut_end(Composed& sequence, std::size_t need, End end, LostByOwner& lost);

// A field that may have to lose its middle. Built once per row: the tokens are those of the field alone, its
// pieces one after the other.
class MiddleCut {
 public:
  MiddleCut(const std::vector<std::string>& pieces, const Tokenizer& tokenizer);

  std::int64_t tokens() const { return static_cast<std::int64_t>(tokens_.size()); }

  // The pieces with at most `share` of their tokens, with the marker in place of what was removed, which is
  // reported in `lost`. `head` in [0, 1]: the part of the share that stays in front.
  std::vector<std::string> cut(std::int64_t share, double head, std::string_view marker, Lost& lost) const;

 private:
  std::vector<std::string> without(std::size_t begin, std::size_t end, std::string_view marker) const;

  std::string text_;
  std::vector<std::size_t> ends_;  // of the pieces, in text_
  std::vector<Token> tokens_;
};

// The number of tokens that each field may keep. `budget`: max_tokens minus everything that is not a field.
std::vector<std::int64_t> field_shares(const Truncation& truncation, const std::vector<std::int64_t>& lengths,
                                       std::int64_t budget, std::int64_t marker_tokens);

}  // namespace preferd::text
