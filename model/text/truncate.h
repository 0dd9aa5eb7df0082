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

// A field that may have to lose its middle. Built once per row: the tokens are those of the field alone.
class MiddleCut {
 public:
  MiddleCut(std::string_view text, const Tokenizer& tokenizer);

  std::int64_t tokens() const { return static_cast<std::int64_t>(tokens_.size()); }

  // The text with at most `share` of its own tokens, with the marker in place of what was removed, which is
  // reported in `lost`. `head` in [0, 1]: the part of the share that stays in front.
  std::string cut(std::int64_t share, double head, std::string_view marker, Lost& lost) const;

 private:
  std::string_view text_;
  std::vector<Token> tokens_;
};

// The number of tokens that each field may keep. `budget`: max_tokens minus everything that is not a field.
std::vector<std::int64_t> field_shares(const Truncation& truncation, const std::vector<std::int64_t>& lengths,
                                       std::int64_t budget, std::int64_t marker_tokens);

}  // namespace preferd::text
