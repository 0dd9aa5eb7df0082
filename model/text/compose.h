// From the parts of a sequence (template text, fields, chat wrapper) to tokens that know which part they
// belong to.
//
// Text between two control tokens is one run. "joined" encodes a whole run at once; "segments" encodes each
// part of it alone. Runs are stored one after the other in one text, and tokens and parts are byte ranges of
// it, so the owner of a token and what a cut loses follow from intervals. Ranges begin and end at code
// points.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/text/input.h"

namespace preferd::text {

using Owner = std::uint8_t;  // a field's index in the layout, or kTemplateOwner
inline constexpr Owner kTemplateOwner = 3;

enum class Guard : std::uint8_t { kFree, kNeverCut };  // kNeverCut: the chat wrapper

struct PartText {
  std::string_view text;
  Owner owner = kTemplateOwner;
  Guard guard = Guard::kFree;
  bool special = false;  // parsed for control tokens
};

struct OwnedToken {
  std::int32_t id;
  std::uint32_t begin, end;  // empty for control tokens
  Owner owner;               // the field that it touches first, otherwise the template
  Guard guard;               // kNeverCut if it touches such a part
  bool lead;                 // false: begins inside a code point
};

struct OwnedRange {
  std::uint32_t begin, end;
  Owner owner;
  Guard guard;
};

struct Composed {
  std::string text;
  std::vector<OwnedToken> tokens;
  std::vector<OwnedRange> ranges;
};

Composed compose(std::span<const PartText> parts, const Tokenizer& tokenizer, Joining joining);

}  // namespace preferd::text
