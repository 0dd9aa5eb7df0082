// The syntax tree of a regular expression, between pattern_syntax.cc, which reads it from text, and
// pattern_program.cc, which makes instructions of it.
#pragma once

#include <limits>
#include <memory>
#include <vector>

#include "base/result.h"
#include "model/text/pattern_syntax.h"

namespace preferd::text {

struct PatternNode {
  enum class Kind { kSet, kSequence, kEither, kRepeat, kAhead, kNotAhead };
  enum class Greed { kGreedy, kLazy, kPossessive };
  static constexpr std::uint32_t kNoLimit = std::numeric_limits<std::uint32_t>::max();

  Kind kind = Kind::kSequence;
  CodePoints set{};                   // kSet, kAhead, kNotAhead
  std::vector<PatternNode> parts{};   // kSequence, kEither; kRepeat: one
  std::uint32_t least = 0, most = 0;  // kRepeat
  Greed greed = Greed::kGreedy;       // kRepeat
};

// Errors: an expression that becomes too long; a possessive repetition that could give something back.
Result<PatternProgram> program_of(const PatternNode& tree);

}  // namespace preferd::text
