// The pre-tokenizers of tokenizer.json that byte-level BPE has: each step splits what the steps before it
// left, and a word is what is left at the end.
//
//   Split      at the matches of a Regex (pattern.h) or a String; behavior Isolated, Removed, Contiguous,
//              MergedWithPrevious or MergedWithNext; inverted or not
//   Digits     every digit by itself, or every run of them
//   ByteLevel  the last one; with use_regex it splits at GPT-2's expression
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/text/pattern.h"

namespace preferd::text {

// Immutable; any thread.
class PreTokenizer {
 public:
  // Errors: a component, an expression or an option that is not supported, or no ByteLevel at the end.
  static Result<PreTokenizer> create(const Json& component);

  // Calls take(begin, end) with the bytes of each word of a text between added tokens, in order. Time is
  // linear in the length of the text for expressions that match almost everywhere, as published ones do.
  using Take = std::function<void(std::size_t begin, std::size_t end)>;
  void each_word(std::string_view text, const Take& take) const;

 private:
  enum class Behavior : std::uint8_t { kIsolated, kRemoved, kContiguous, kWithPrevious, kWithNext };
  struct Step {
    std::optional<Pattern> pattern;  // nothing: digits
    Behavior behavior = Behavior::kIsolated;
    bool inverted = false;
  };
  struct Stretch {
    std::size_t begin, end;
    bool matches;
  };

  static Result<Step> read_split(const Json& component);
  Status add(const Json& component);
  void split(std::size_t step, std::string_view text, std::size_t begin, std::size_t end,
             const Take& take) const;
  static void split_merged(std::vector<Stretch>& found, Behavior behavior);

  std::vector<Step> steps_;
};

}  // namespace preferd::text
