#include "model/text/sentence_piece_normalizer.h"

#include "base/utf8.h"

namespace preferd::text {
namespace {

constexpr std::string_view kBlock = "\xE2\x96\x81";  // U+2581

// A normalized text under construction.
class Writer {
 public:
  Writer(NormalizedText& out, std::string_view space) : out_(out), space_(space) {}

  void space(std::size_t origin) { put(space_, origin); }

  void put(std::string_view text, std::size_t origin) {
    out_.text.append(text);
    out_.origin.insert(out_.origin.end(), text.size(), static_cast<std::uint32_t>(origin));
  }

  void put_escaped(std::string_view text, std::size_t origin) {
    for (const char& c : text) c == ' ' ? space(origin) : put({&c, 1}, origin);
  }

  void drop_trailing_spaces() {
    while (out_.text.ends_with(space_)) {
      out_.text.resize(out_.text.size() - space_.size());
      end_ = out_.origin[out_.text.size()];
      out_.origin.resize(out_.text.size());
    }
  }

  void set_end(std::size_t end) { end_ = end; }
  std::size_t end() const { return end_; }

 private:
  NormalizedText& out_;
  std::string_view space_;
  std::size_t end_ = 0;
};

}  // namespace

Result<SentencePieceNormalizer> SentencePieceNormalizer::create(const SentencePieceFile& file) {
  SentencePieceNormalizer out;
  out.space_ = file.escape_spaces ? kBlock : std::string_view(" ");
  out.dummy_prefix_ = file.dummy_prefix;
  out.remove_extra_spaces_ = file.remove_extra_spaces;
  out.space_as_suffix_ = file.space_as_suffix;
  std::vector<std::pair<std::string_view, std::int32_t>> user_defined;
  for (const auto& piece : file.pieces)
    if (piece.type == SentencePieceFile::kUserDefined) user_defined.emplace_back(piece.text, 0);
  out.user_defined_ = Trie(std::move(user_defined));

  Result<CharacterMap> map = CharacterMap::create(file.character_map);
  if (!map) return invalid("the SentencePiece model: " + map.error().what);
  out.map_ = std::move(*map);
  return out;
}

CharacterMap::Match SentencePieceNormalizer::match(std::string_view text) const {
  if (!user_defined_.empty())
    if (const std::size_t size = user_defined_.longest_prefix(text); size > 0)
      return {text.substr(0, size), size};
  if (const auto found = map_.longest(text)) return *found;
  std::size_t size = 0;
  utf8::next(text, size);
  return {text.substr(0, size), size};
}

NormalizedText SentencePieceNormalizer::normalize(std::string_view text, Prefix prefix) const {
  NormalizedText out;
  Writer writer(out, space_);
  const bool dummy = dummy_prefix_ && prefix == Prefix::kAsTheModelSays;
  std::size_t at = 0;
  while (remove_extra_spaces_ && at < text.size()) {
    const CharacterMap::Match found = match(text.substr(at));
    if (found.replacement != " ") break;
    at += found.consumed;
  }
  if (at == text.size()) return out;
  out.text.reserve(text.size() + text.size() / 2);
  out.origin.reserve(out.text.capacity());
  if (dummy && !space_as_suffix_) writer.space(at);
  bool after_space = remove_extra_spaces_;
  while (at < text.size()) {
    const CharacterMap::Match found = match(text.substr(at));
    std::string_view replacement = found.replacement;
    while (after_space && replacement.starts_with(' ')) replacement.remove_prefix(1);
    writer.put_escaped(replacement, at);
    if (!replacement.empty()) after_space = remove_extra_spaces_ && replacement.ends_with(' ');
    at += found.consumed;
  }
  writer.set_end(at);
  if (remove_extra_spaces_) writer.drop_trailing_spaces();
  if (dummy && space_as_suffix_) writer.space(writer.end());
  return out;
}

}  // namespace preferd::text
