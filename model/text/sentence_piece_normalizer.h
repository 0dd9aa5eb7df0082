// SentencePiece's normalization: replacement rules, white space, the dummy prefix; with the way back.
//
// The rules ("precompiled_charsmap") are a double-array trie and the replacement texts:
//   u32 n | n bytes: trie units, u32 each | texts, each ended by a zero byte
// A unit holds bit 8: a value unit hangs at its offset; bits 0-7 and 31: its label; bits 10-30 and 9: the
// offset, which is XORed with the unit's own index. The longest rule that matches wins.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/text/sentence_piece_file.h"
#include "model/text/trie.h"

namespace preferd {

struct NormalizedText {
  std::string text;
  std::vector<std::uint32_t> origin;  // byte of the source for each byte of `text`
};

// Immutable; any thread.
class SentencePieceNormalizer {
 public:
  // Errors: a character map that is malformed.
  static Result<SentencePieceNormalizer> create(const SentencePieceFile& file);

  enum class Prefix { kAsTheModelSays, kNone };
  NormalizedText normalize(std::string_view text, Prefix prefix) const;

 private:
  struct Match {
    std::string_view replacement;
    std::size_t consumed;
  };
  Match match(std::string_view text) const;
  Match rule(std::string_view text) const;

  std::vector<std::uint32_t> units_;
  std::string texts_;
  Trie user_defined_;  // left as they are
  std::string_view space_;
  bool dummy_prefix_ = true, remove_extra_spaces_ = true, space_as_suffix_ = false;
};

}  // namespace preferd
