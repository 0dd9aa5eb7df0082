// Most words of a text are one token. So the bytes of every piece that its own merges rebuild are in a table
// of whole words, and only words that are not there go through the merges.
//
// A vocabulary may lack some bytes (SmolLM2 has no 0xF1). Hugging Face drops them and counts positions in the
// word without them, in its own spelling of bytes as characters; so does drop_bytes().
#include "model/text/byte_level.h"

#include <algorithm>
#include <array>

#include "base/utf8.h"
#include "model/text/code_points.h"
#include "model/text/pre_tokenizer.h"

namespace preferd::text {
namespace {

// GPT-2's spelling of bytes: a printable Latin-1 byte is its own character, the others are U+0100 and up.
constexpr char32_t kFirstHidden = 0x100;

constexpr bool visible(unsigned byte) {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

constexpr std::array<unsigned char, 68> kHidden = [] {
  std::array<unsigned char, 68> out{};
  std::size_t n = 0;
  for (unsigned byte = 0; byte < 256; ++byte)
    if (!visible(byte)) out[n++] = static_cast<unsigned char>(byte);
  return out;
}();

// The bytes that a piece spells; false if it contains another character.
bool spelled_bytes(std::string_view piece, std::string& out) {
  out.clear();
  for (std::size_t at = 0; at < piece.size();) {
    const char32_t c = utf8::next(piece, at);
    if (c < 256 && visible(static_cast<unsigned>(c)))
      out += static_cast<char>(c);
    else if (c >= kFirstHidden && c < kFirstHidden + kHidden.size())
      out += static_cast<char>(kHidden[c - kFirstHidden]);
    else
      return false;
  }
  return true;
}

std::uint32_t spelled_size(unsigned char byte) { return byte >= 33 && byte <= 126 ? 1 : 2; }

class ByteLevel : public Tokenizer {
 public:
  ByteLevel(BpeModel model, PreTokenizer words, bool cleans, bool ignore_merges, const EndNames& ends)
      : merges_(std::move(model.merges)),
        raw_(std::move(model.raw)),
        normalized_(std::move(model.normalized)),
        pre_tokenizer_(std::move(words)),
        cleans_(cleans) {
    top_id_ = model.top_id;
    set_controls(std::move(model.controls), ends);
    fill_bytes(model.pieces);
    fill_words(model.pieces, ignore_merges);
  }

  bool complete() const {
    return std::none_of(bytes_.begin(), bytes_.end(), [](std::int32_t id) { return id < 0; });
  }

  bool cleans() const override { return cleans_; }

  void encode(std::string_view text, Before, std::vector<Token>& out) const override {
    Merger merger(merges_);
    const auto put = [&](std::size_t base) {
      return [&out, base](const AddedTokens::Match& m) {
        out.push_back({m.id, static_cast<std::uint32_t>(base + m.begin), true});
      };
    };
    const auto encode_raw = [&](std::size_t begin, std::size_t end) {
      const std::string_view section = text.substr(begin, end - begin);
      normalized_.each(
          section,
          [&](std::size_t b, std::size_t e) {
            encode_section(section.substr(b, e - b), begin + b, merger, out);
          },
          put(begin));
    };
    raw_.each(text, encode_raw, put(0));
  }

 private:
  void fill_bytes(const Vocabulary& pieces) {
    bytes_.fill(Vocabulary::kNone);
    std::string bytes;
    for (const auto& entry : pieces.entries())
      if (spelled_bytes(pieces.text(entry), bytes) && bytes.size() == 1)
        bytes_[static_cast<unsigned char>(bytes[0])] = entry.id;
  }

  void fill_words(const Vocabulary& pieces, bool ignore_merges) {
    Merger merger(merges_);
    std::vector<Token> tokens;
    std::string bytes;
    words_.reserve(pieces.entries().size(), 0);
    for (const auto& entry : pieces.entries()) {
      if (!spelled_bytes(pieces.text(entry), bytes) || bytes.empty()) continue;
      tokens.clear();
      if (!ignore_merges) merge_word(bytes, 0, merger, tokens);
      if (ignore_merges || (tokens.size() == 1 && tokens[0].id == entry.id)) words_.insert(bytes, entry.id);
    }
  }

  void encode_section(std::string_view section, std::size_t base, Merger& merger,
                      std::vector<Token>& out) const {
    pre_tokenizer_.each_word(section, [&](std::size_t begin, std::size_t end) {
      const std::string_view word = section.substr(begin, end - begin);
      const std::int32_t id = words_.find(word);
      if (id >= 0)
        out.push_back({id, static_cast<std::uint32_t>(base + begin), true});
      else
        merge_word(word, base + begin, merger, out);
    });
  }

  void merge_word(std::string_view word, std::size_t base, Merger& merger, std::vector<Token>& out) const {
    const std::size_t first = out.size();
    auto begin = static_cast<std::uint32_t>(base);
    bool dropped = false;
    for (std::size_t i = 0; i < word.size(); ++i) {
      const bool lead = !utf8::is_continuation(word[i]);
      if (lead) begin = static_cast<std::uint32_t>(base + i);
      const std::int32_t id = bytes_[static_cast<unsigned char>(word[i])];
      if (id >= 0)
        out.push_back({id, begin, lead});
      else
        dropped = true;
    }
    if (dropped) drop_bytes(word, base, out, first);
    merger.merge(out, first);
  }

  void drop_bytes(std::string_view word, std::size_t base, std::vector<Token>& out, std::size_t first) const {
    std::uint32_t spelled = 0, counted = 0;  // before byte `seen`; before token `first`
    std::size_t seen = 0, start = 0;
    for (const char byte : word) {
      const auto u = static_cast<unsigned char>(byte);
      if (bytes_[u] < 0) continue;
      while (seen < word.size() && spelled <= counted) {
        if (!utf8::is_continuation(word[seen])) start = seen;
        spelled += spelled_size(static_cast<unsigned char>(word[seen++]));
      }
      out[first++].begin = static_cast<std::uint32_t>(base + start);
      counted += spelled_size(u);
    }
  }

  Merges merges_;
  AddedTokens raw_, normalized_;
  Vocabulary words_;
  std::array<std::int32_t, 256> bytes_;
  PreTokenizer pre_tokenizer_;
  bool cleans_;
};

Error refuse(const std::string& what) { return invalid("tokenizer.json: " + what); }

Result<bool> read_normalizer(const Json& normalizer) {
  const std::string type = type_of(normalizer);
  if (type == "null") return false;
  if (type == "NFC") return true;
  const Json& list = member(normalizer, "normalizers");
  if (type == "Sequence" && list.is_array() && list.size() <= 1)
    return list.empty() ? Result<bool>(false) : read_normalizer(list[0]);
  return refuse("normalizer " + type + " is not supported for byte-level BPE (none or NFC)");
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> make_byte_level(const Json& file, BpeModel model,
                                                         const EndNames& ends) {
  const Result<bool> cleans = read_normalizer(member(file, "normalizer"));
  if (!cleans) return cleans.error();
  if (*cleans) {
    Result<AddedTokens> normalized = model.normalized.with_texts(nfc_9);
    if (!normalized) return normalized.error();
    model.normalized = std::move(*normalized);
  }
  Result<PreTokenizer> words = PreTokenizer::create(member(file, "pre_tokenizer"));
  if (!words) return words.error();
  const Json& options = member(file, "model");
  const bool ignore_merges = member(options, "ignore_merges") == Json(true);
  auto out = std::make_shared<ByteLevel>(std::move(model), std::move(*words), *cleans, ignore_merges, ends);
  if (!out->complete() && !member(options, "unk_token").is_null())
    return refuse("model.unk_token is not supported where the vocabulary lacks some bytes");
  return std::shared_ptr<const Tokenizer>(std::move(out));
}

}  // namespace preferd::text
