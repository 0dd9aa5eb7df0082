// For the merges, the whole text between two added tokens is one word. In such vocabularies U+2581 only
// begins pieces, so nothing ever merges across the border before the first of a run of spaces, and the text
// may be split there without changing a token; short words can then be looked up whole. This property is
// checked when the vocabulary is read; where it does not hold, nothing is split.
#include "model/text/byte_fallback.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/utf8.h"
#include "model/text/metaspace.h"

namespace preferd::text {
namespace {

constexpr std::string_view kBlock = Metaspace::kBlock;
constexpr std::size_t kLongestLookup = 64;  // bytes; longer words are rare and seldom one piece

enum class Prefix { kNone, kSpace };  // what is put before a word

// How spaces become U+2581: by the normalizer, which may also put one before each part of a text between raw
// added tokens, or by the pre-tokenizer, before or behind which added tokens that are normalized are found.
struct Spacing {
  bool normalizes = true;
  Prefix prefix = Prefix::kNone;
  std::optional<Metaspace> metaspace;
};

std::string normalized(std::string_view text, const Spacing& spacing) {
  std::string out(spacing.prefix == Prefix::kSpace && !text.empty() ? kBlock : std::string_view());
  for (const char c : text) c == ' ' && spacing.normalizes ? out.append(kBlock) : out.append(1, c);
  return out;
}

class ByteFallback : public Tokenizer {
 public:
  ByteFallback(BpeModel model, Spacing spacing, const EndNames& ends)
      : merges_(std::move(model.merges)),
        raw_(std::move(model.raw)),
        normalized_(std::move(model.normalized)),
        spacing_(spacing) {
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

  void encode(std::string_view text, Before before, std::vector<Token>& out) const override {
    Merger merger(merges_);
    raw_.each(
        text,
        [&](std::size_t begin, std::size_t end) {
          const std::string_view section = text.substr(begin, end - begin);
          if (spacing_.metaspace)
            encode_spaced(section, begin, before == Before::kNothing, merger, out);
          else if (normalized_.any())
            encode_normalized(section, begin, merger, out);
          else
            encode_stretch(section, begin, spacing_.prefix, merger, out);
        },
        [&](const AddedTokens::Match& m) {
          out.push_back({m.id, static_cast<std::uint32_t>(m.begin), true});
        });
  }

 private:
  void encode_stretch(std::string_view text, std::size_t base, Prefix prefix, Merger& merger,
                      std::vector<Token>& out) const {
    std::string spelled;
    for (std::size_t at = 0; at < text.size(); prefix = Prefix::kNone) {
      const std::size_t stop = word_end(text, at);
      encode_word(text.substr(at, stop - at), base + at, prefix, merger, spelled, out);
      at = stop;
    }
  }

  // Finds added tokens in the normalized text.
  void encode_normalized(std::string_view section, std::size_t base, Merger& merger,
                         std::vector<Token>& out) const {
    const std::string text = normalized(section, spacing_);
    std::vector<std::uint32_t> origin;  // by byte of the normalized text
    if (spacing_.prefix == Prefix::kSpace) origin.assign(kBlock.size(), 0);
    for (std::uint32_t i = 0; i < section.size(); ++i)
      origin.insert(origin.end(), section[i] == ' ' ? kBlock.size() : 1, i);
    const std::size_t first = out.size();
    normalized_.each(
        text,
        [&](std::size_t begin, std::size_t end) {
          encode_stretch(std::string_view(text).substr(begin, end - begin), begin, Prefix::kNone, merger,
                         out);
        },
        [&](const AddedTokens::Match& m) {
          out.push_back({m.id, static_cast<std::uint32_t>(m.begin), true});
        });
    for (std::size_t i = first; i < out.size(); ++i)
      out[i].begin = static_cast<std::uint32_t>(base) + origin[out[i].begin];
  }

  // Finds added tokens in the text as it is, then spaces what is between them.
  void encode_spaced(std::string_view section, std::size_t base, bool nothing_before, Merger& merger,
                     std::vector<Token>& out) const {
    const auto encode_part = [&](std::size_t begin, std::size_t end) {
      const std::string_view part = section.substr(begin, end - begin);
      const bool first = nothing_before && base + begin == 0;
      Prefix prefix = spacing_.metaspace->prepends(part, first) ? Prefix::kSpace : Prefix::kNone;
      if (!spacing_.metaspace->cuts) return encode_stretch(part, base + begin, prefix, merger, out);
      for (std::size_t at = 0; at < part.size(); prefix = Prefix::kNone) {
        const std::size_t stop = std::min({part.find(' ', at + 1), part.find(kBlock, at + 1), part.size()});
        encode_stretch(part.substr(at, stop - at), base + begin + at, prefix, merger, out);
        at = stop;
      }
    };
    normalized_.each(section, encode_part, [&](const AddedTokens::Match& m) {
      out.push_back({m.id, static_cast<std::uint32_t>(base + m.begin), true});
    });
  }

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
  AddedTokens raw_, normalized_;
  Vocabulary words_, astral_;
  std::vector<std::int32_t> plane_;
  std::array<std::int32_t, 256> bytes_{};
  Spacing spacing_;
  bool cuts_ = true;
};

Error refuse(const std::string& what) { return invalid("tokenizer.json: " + what); }

bool replaces_spaces(const Json& normalizer) {
  return type_of(normalizer) == "Replace" && member(member(normalizer, "pattern"), "String") == Json(" ") &&
         member(normalizer, "content") == Json(std::string(kBlock));
}

Result<Spacing> read_normalizer(const Json& normalizer) {
  if (replaces_spaces(normalizer)) return Spacing{};
  const Json& list = member(normalizer, "normalizers");
  const bool pair = type_of(normalizer) == "Sequence" && list.is_array() && list.size() == 2;
  if (pair && type_of(list[0]) == "Prepend" && member(list[0], "prepend") == Json(std::string(kBlock)) &&
      replaces_spaces(list[1]))
    return Spacing{true, Prefix::kSpace, {}};
  return refuse("normalizer " + type_of(normalizer) +
                " is not supported for BPE with byte fallback (Replace of ' ' by U+2581, with or without "
                "Prepend, or none and Metaspace)");
}

Result<Spacing> read_spacing(const Json& file) {
  const Json& splitter = member(file, "pre_tokenizer");
  const Json& normalizer = member(file, "normalizer");
  if (type_of(splitter) != "Metaspace" || !normalizer.is_null()) {
    const bool idle =
        type_of(splitter) == "Split" && member(member(splitter, "pattern"), "String") == Json(" ");
    if (!splitter.is_null() && !idle)
      return refuse("pre_tokenizer " + type_of(splitter) + " is not supported for BPE with byte fallback" +
                    (normalizer.is_null() ? "" : " and a normalizer"));
    return read_normalizer(normalizer);
  }
  const Result<Metaspace> space = Metaspace::create(splitter);
  if (!space) return space.error();
  return Spacing{false, Prefix::kNone, *space};
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> make_byte_fallback(const Json& file, BpeModel model,
                                                            const EndNames& ends) {
  const Result<Spacing> spacing = read_spacing(file);
  if (!spacing) return spacing.error();
  if (member(member(file, "model"), "ignore_merges") == Json(true))
    return refuse("model.ignore_merges is not supported with byte fallback");
  Result<AddedTokens> changed =
      model.normalized.with_texts([&](std::string_view text) { return normalized(text, *spacing); });
  if (!changed) return changed.error();
  model.normalized = std::move(*changed);
  auto out = std::make_shared<ByteFallback>(std::move(model), *spacing, ends);
  if (!out->complete())
    return refuse("model.byte_fallback needs U+2581 and a piece for every byte (<0x00> to <0xFF>)");
  return std::shared_ptr<const Tokenizer>(std::move(out));
}

}  // namespace preferd::text
