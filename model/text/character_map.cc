#include "model/text/character_map.h"

#include <algorithm>

#include "base/utf8.h"

namespace preferd::text {
namespace {

std::uint32_t offset_of(std::uint32_t unit) { return (unit >> 10) << ((unit & 0x200) >> 6); }
std::uint32_t label_of(std::uint32_t unit) { return unit & 0x800000FF; }

}  // namespace

Result<CharacterMap> CharacterMap::create(std::string_view bytes) {
  CharacterMap out;
  if (bytes.empty()) return out;
  const auto word = [&](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i)
      value |= std::uint32_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
    return value;
  };
  const std::size_t trie_bytes = bytes.size() < 4 ? 0 : word(0);
  if (trie_bytes < 4 || trie_bytes % 4 != 0 || trie_bytes >= bytes.size() - 4)
    return invalid("the character map is malformed");
  for (std::size_t at = 4; at < 4 + trie_bytes; at += 4) out.units_.push_back(word(at));
  out.texts_ = bytes.substr(4 + trie_bytes);
  if (!utf8::valid(out.texts_)) return invalid("the character map is not UTF-8");
  return out;
}

std::optional<CharacterMap::Match> CharacterMap::find(std::string_view text, Take take) const {
  std::optional<Match> best;
  if (units_.empty()) return best;
  std::size_t at = offset_of(units_[0]);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    at ^= byte;
    if (at >= units_.size() || label_of(units_[at]) != byte) break;
    const std::uint32_t unit = units_[at];
    at ^= offset_of(unit);
    if ((unit & 0x100) == 0) continue;
    const std::size_t begin = at < units_.size() ? units_[at] & 0x7FFFFFFF : texts_.size();
    const bool inside = i + 1 < text.size() && utf8::is_continuation(text[i + 1]);
    if (begin >= texts_.size() || inside || utf8::is_continuation(texts_[begin])) continue;
    const std::size_t end = std::min(texts_.find('\0', begin), texts_.size());
    best = {std::string_view(texts_).substr(begin, end - begin), i + 1};
    if (take == Take::kShortest) return best;
  }
  return best;
}

}  // namespace preferd::text
