// SentencePiece's normalization: replacement rules, white space and the dummy prefix, with the positions in
// the source.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/text/character_map.h"
#include "model/text/sentence_piece_file.h"
#include "model/text/trie.h"

namespace preferd::text {

struct NormalizedText {
  std::string text;
  std::vector<std::uint32_t> origin;  // byte of the source for each byte of `text`
};

// Immutable; any thread.
class SentencePieceNormalizer {
 public:
  // Errors: a malformed character map.
  static Result<SentencePieceNormalizer> create(const SentencePieceFile& file);

  enum class Prefix { kAsTheModelSays, kNone };
  NormalizedText normalize(std::string_view text, Prefix prefix) const;

 private:
  CharacterMap::Match match(std::string_view text) const;

  CharacterMap map_;   // the longest rule that matches wins
  Trie user_defined_;  // these stay as they are
  std::string_view space_;
  bool dummy_prefix_ = true, remove_extra_spaces_ = true, space_as_suffix_ = false;
};

}  // namespace preferd::text
