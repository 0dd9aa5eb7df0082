// For the merges, the whole text between two added tokens is one word. In such vocabularies U+2581 only
// begins pieces, so nothing ever merges across the border before the first of a run of spaces, and the text
// may be split there without changing a token; short words can then be looked up whole. This property is
// checked when the vocabulary is read; where it does not hold, nothing is split.
#include "model/text/byte_fallback.h"

#include <algorithm>
#include <array>

#include "base/utf8.h"

namespace preferd::text {
namespace {

constexpr std::string_view kBlock = "\xE2\x96\x81";  // U+2581
constexpr std::size_t kLongestLookup = 64;           // bytes; longer words are rare and seldom one piece

enum class Prefix { kNone, kSpace };  // what is put before each part of a text between added tokens

class ByteFallback : public Tokenizer {
 public:
  ByteFallback(BpeModel model, Prefix prefix, const EndNames& ends)
      : merges_(std::move(model.merges)), added_(std::move(model.raw)), prefix_(prefix) {
    top_id_ = model.top_id;
    set_controls(std::move(model.controls), ends);
    fill_characters(model.pieces);
    fill_words(model.pieces);
  }

  // Whether every character has a piece, or pieces for its bytes.
  bool complete() const {
    for (std::size_t b = 0; b < bytes_.size(); ++b)
      if (bytes_[b] < 0 && (b >= 0x80 || plane_[b] < 0)) return false;
    return plane_[0x2581] >= 0;
  }

  bool cleans() const override { return false; }

  void encode(std::string_view text, Before, std::vector<Token>& out) const override {
    Merger merger(merges_);
    std::string spelled;
    for (std::size_t at = 0; at < text.size();) {
      const AddedTokens::Match match = added_.find(text, at);
      for (Prefix prefix = prefix_; at < match.begin; prefix = Prefix::kNone) {
        const std::size_t stop = word_end(text.substr(0, match.begin), at);
        encode_word(text.substr(at, stop - at), at, prefix, merger, spelled, out);
        at = stop;
      }
      if (match.id >= 0) out.push_back({match.id, static_cast<std::uint32_t>(match.begin), true});
      at = match.end;
    }
  }

 private:
  void fill_characters(const Vocabulary& pieces) {
    static constexpr char kHex[] = "0123456789ABCDEF";
    plane_.assign(0x10000, Vocabulary::kNone);
    for (const auto& entry : pieces.entries()) {
      const std::string_view piece = pieces.text(entry);
      std::size_t at = 0;
      if (piece.empty()) continue;
      const char32_t c = utf8::next(piece, at);
      if (at != piece.size()) continue;
      if (c < plane_.size())
        plane_[c] = entry.id;
      else
        astral_.insert(piece, entry.id);
    }
    for (std::size_t b = 0; b < 256; ++b)
      bytes_[b] = pieces.find({"<0x" + std::string{kHex[b >> 4], kHex[b & 15]} + ">"});
  }

  void fill_words(const Vocabulary& pieces) {
    Merger merger(merges_);
    std::vector<Token> tokens;
    words_.reserve(pieces.entries().size(), 0);
    for (const auto& entry : pieces.entries()) {
      const std::string_view piece = pieces.text(entry);
      cuts_ = cuts_ && word_end(piece, 0) == piece.size();
      if (piece.empty() || piece.size() > kLongestLookup || piece.find(' ') != std::string_view::npos)
        continue;
      tokens.clear();
      merge_word(piece, 0, Prefix::kNone, merger, tokens);
      if (tokens.size() == 1 && tokens[0].id == entry.id) words_.insert(piece, entry.id);
    }
  }

  // The position of the first space (or U+2581) that follows something else.
  std::size_t word_end(std::string_view text, std::size_t begin) const {
    if (!cuts_) return text.size();
    const auto space = [&](std::size_t at) {
      return text[at] == ' ' ? std::size_t{1} : text.substr(at).starts_with(kBlock) ? kBlock.size() : 0;
    };
    std::size_t at = begin;
    while (at < text.size() && space(at) > 0) at += space(at);
    while (at < text.size() && space(at) == 0) ++at;
    return at;
  }

  void encode_word(std::string_view word, std::size_t base, Prefix prefix, Merger& merger,
                   std::string& spelled, std::vector<Token>& out) const {
    if (word.size() <= kLongestLookup) {
      spelled = prefix == Prefix::kSpace ? kBlock : std::string_view();
      for (const char c : word) c == ' ' ? spelled.append(kBlock) : spelled.append(1, c);
      if (const std::int32_t id = words_.find(spelled); id >= 0) {
        out.push_back({id, static_cast<std::uint32_t>(base), true});
        return;
      }
    }
    merge_word(word, base, prefix, merger, out);
  }

  void merge_word(std::string_view word, std::size_t base, Prefix prefix, Merger& merger,
                  std::vector<Token>& out) const {
    const std::size_t first = out.size();
    if (prefix == Prefix::kSpace) out.push_back({plane_[0x2581], static_cast<std::uint32_t>(base), true});
    for (std::size_t at = 0; at < word.size();) {
      const std::size_t start = at;
      const auto begin = static_cast<std::uint32_t>(base + start);
      const char32_t c = utf8::next(word, at);
      const std::int32_t id = c == ' '            ? plane_[0x2581]
                              : c < plane_.size() ? plane_[c]
                                                  : astral_.find(word.substr(start, at - start));
      if (id >= 0) {
        out.push_back({id, begin, true});
        continue;
      }
      for (std::size_t i = start; i < at; ++i)
        out.push_back({bytes_[static_cast<unsigned char>(word[i])], begin, !utf8::is_continuation(word[i])});
    }
    merger.merge(out, first);
  }

  Merges merges_;
  AddedTokens added_;
  Vocabulary words_, astral_;
  std::vector<std::int32_t> plane_;
  std::array<std::int32_t, 256> bytes_{};
  Prefix prefix_;
  bool cuts_ = true;
};

Error refuse(const std::string& what) { return invalid("tokenizer.json: " + what); }

bool replaces_spaces(const Json& normalizer) {
  return type_of(normalizer) == "Replace" && member(member(normalizer, "pattern"), "String") == Json(" ") &&
         member(normalizer, "content") == Json(std::string(kBlock));
}

Result<Prefix> read_normalizer(const Json& normalizer) {
  if (replaces_spaces(normalizer)) return Prefix::kNone;
  const Json& list = member(normalizer, "normalizers");
  const bool pair = type_of(normalizer) == "Sequence" && list.is_array() && list.size() == 2;
  if (pair && type_of(list[0]) == "Prepend" && member(list[0], "prepend") == Json(std::string(kBlock)) &&
      replaces_spaces(list[1]))
    return Prefix::kSpace;
  return refuse(
      "normalizer " + type_of(normalizer) +
      " is not supported for BPE with byte fallback (Replace of ' ' by U+2581, with or without Prepend)");
}

Status check_options(const Json& file) {
  const Json& splitter = member(file, "pre_tokenizer");
  const bool idle =
      type_of(splitter) == "Split" && member(member(splitter, "pattern"), "String") == Json(" ");
  if (!splitter.is_null() && !idle)
    return refuse("pre_tokenizer " + type_of(splitter) + " is not supported for BPE with byte fallback");
  if (member(member(file, "model"), "ignore_merges") == Json(true))
    return refuse("model.ignore_merges is not supported with byte fallback");
  return Ok{};
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> make_byte_fallback(const Json& file, BpeModel model,
                                                            const EndNames& ends) {
  const Result<Prefix> prefix = read_normalizer(member(file, "normalizer"));
  if (!prefix) return prefix.error();
  if (Status s = check_options(file); !s) return s.error();
  if (model.normalized.any())
    return refuse("added tokens with normalized are not supported with byte fallback");
  auto out = std::make_shared<ByteFallback>(std::move(model), *prefix, ends);
  if (!out->complete())
    return refuse("model.byte_fallback needs U+2581 and a piece for every byte (<0x00> to <0xFF>)");
  return std::shared_ptr<const Tokenizer>(std::move(out));
}

}  // namespace preferd::text
