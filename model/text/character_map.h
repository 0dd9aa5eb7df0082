// SentencePiece's replacement rules ("precompiled_charsmap"): a double-array trie and the replacement texts.
//
//   u32 n | n bytes: trie units, u32 each | texts, each ended by a zero byte
//
// Bits of a unit: bit 8 says that a value unit is at its offset; bits 0-7 and 31 are its label; bits 10-30
// and 9 are the offset, which is XORed with the unit's own index.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace preferd::text {

// Immutable; any thread.
class CharacterMap {
 public:
  CharacterMap() = default;  // no rules
  // Errors: a malformed map.
  static Result<CharacterMap> create(std::string_view bytes);

  struct Match {
    std::string_view replacement;
    std::size_t consumed;  // bytes
  };
  // The longest or shortest rule that `text` begins with and that ends between code points.
  std::optional<Match> longest(std::string_view text) const { return find(text, Take::kLongest); }
  std::optional<Match> shortest(std::string_view text) const { return find(text, Take::kShortest); }

 private:
  enum class Take { kLongest, kShortest };
  std::optional<Match> find(std::string_view text, Take take) const;

  std::vector<std::uint32_t> units_;
  std::string texts_;
};

}  // namespace preferd::text
