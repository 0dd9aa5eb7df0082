// Regular expressions as tokenizer.json writes them, in Oniguruma's Ruby syntax: parsed into a program of
// instructions that a state machine is made of (pattern.h).
//
//   a . [a-z] [^a] \p{Lu} \P{M} \p{^L} \s \S \d \D \r \n \t \x{..} \uHHHH and escaped punctuation
//   x* x+ x? x{n,m} x{n} x{n,} x{,m}, lazy with ?, possessive with + (x{n,m}+ is (x{n,m})+, as in Ruby)
//   x|y  (x)  (?:x)  (?i:x)  (?i)  (?=c) (?!c) for one set of characters c, and $
//
// Refused by name: what looks behind, remembers a group or depends on a word's border, atomic groups, \w and
// scripts; a possessive repetition that could give something back; case-insensitive classes of categories
// and strings whose characters fold together.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/text/code_points.h"

namespace preferd::text {

struct Instruction {
  enum class Kind : std::uint8_t {
    kTake,      // a code point of `set`, then goes on with the next instruction
    kFork,      // goes on with `first`, and if that fails, with `second`
    kAhead,     // what follows is a code point of `set`
    kNotAhead,  // what follows is not a code point of `set`, or nothing
    kAccept
  };
  Kind kind;
  std::uint32_t set = 0;
  std::uint32_t first = 0, second = 0;
};

struct PatternProgram {
  std::vector<CodePoints> sets;
  std::vector<Instruction> code;  // starts at 0
};

// Errors: one sentence that names what is malformed or not supported in the expression.
Result<PatternProgram> parse_pattern(std::string_view regex);

// The program of a plain text, which must be UTF-8.
Result<PatternProgram> literal_pattern(std::string_view text);

}  // namespace preferd::text
