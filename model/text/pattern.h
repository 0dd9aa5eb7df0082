// The first match of a regular expression at a position: what a backtracking engine finds that prefers the
// left one of two alternatives and the longer repetition (or the shorter one of a lazy repetition), in one
// pass over the text.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/text/pattern_syntax.h"

namespace preferd::text {

// Immutable; any thread.
class Pattern {
 public:
  // Errors: those of parse_pattern; an expression that matches the empty text, or needs too many states.
  static Result<Pattern> of_regex(std::string_view regex);
  static Result<Pattern> of_text(std::string_view text);

  // The end of the match that begins at byte `begin`, or `begin` if there is none. Text before `begin` has no
  // influence. Requires valid UTF-8 and begin <= text.size().
  std::size_t match_end(std::string_view text, std::size_t begin) const;

 private:
  struct Step {
    std::uint32_t row : 31;     // where the next state's steps begin; kDead: no longer match is possible
    std::uint32_t accepts : 1;  // a match ends before this symbol
  };
  static constexpr std::uint32_t kDead = 0x7FFFFFFF;

  static Result<Pattern> compile(const PatternProgram& program);
  // The symbols' memberships in the sets, as bits.
  std::vector<std::uint64_t> number_symbols(const std::vector<CodePoints>& sets);
  std::uint16_t symbol(char32_t c) const { return symbols_[pages_[c >> 8] + (c & 0xFF)]; }

  std::uint32_t symbol_count_ = 0;    // the last one stands for the end of the text
  std::vector<std::uint32_t> pages_;  // by the code point's upper bits: where its page begins in symbols_
  std::vector<std::uint16_t> symbols_;
  std::array<std::uint16_t, 128> ascii_{};
  std::vector<Step> steps_;  // [state, symbol]; the first state is 0
};

}  // namespace preferd::text
