// The Metaspace pre-tokenizer: spaces become U+2581, which may also be put before a text, and words may begin
// at each of them.
#pragma once

#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "model/text/sentence_piece_normalizer.h"
#include "model/text/tokenizer.h"

namespace preferd::text {

struct Metaspace {
  static constexpr std::string_view kBlock = "\xE2\x96\x81";  // U+2581
  enum class Prepend { kAlways, kFirst, kNever };             // of the texts between added tokens

  Prepend prepend = Prepend::kAlways;
  bool cuts = true;  // before each U+2581

  // Errors: another component, or another replacement.
  static Result<Metaspace> create(const Json& component);

  // Whether a text that is not empty gets a U+2581 in front, where `first` says whether it begins a sequence.
  bool prepends(std::string_view text, bool first) const;

  // The text with U+2581 for spaces, and with one in front if the options ask for it.
  NormalizedText spaced(const NormalizedText& from, bool first) const;

  // The end of the word that begins at `begin` of a spaced text.
  std::size_t word_end(std::string_view text, std::size_t begin) const;
};

}  // namespace preferd::text
