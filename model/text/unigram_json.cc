// The path with the highest score through a word, as in `tokenizers`: among equal scores the first one found
// stays, and neighbours that no piece matches are one unknown token.
#include "model/text/unigram_json.h"

#include <algorithm>
#include <limits>
#include <set>

#include "base/utf8.h"
#include "model/text/json_normalizer.h"
#include "model/text/trie.h"

namespace preferd::text {
namespace {

constexpr std::string_view kBlock = "\xE2\x96\x81";  // U+2581
constexpr double kUnknownPenalty = 10;

Error refuse(const std::string& what) { return invalid("tokenizer.json: " + what); }

// Which parts of a text between added tokens get a U+2581 in front, if they have none.
enum class Prepend { kAlways, kFirst, kNever };

struct Metaspace {
  Prepend prepend = Prepend::kAlways;
  bool cuts = true;  // before each U+2581
};

struct UnigramTables : TokenTables {
  std::vector<double> scores;  // by id
  std::int32_t unknown = -1;
};

class UnigramJson : public Tokenizer {
 public:
  UnigramJson(UnigramTables tables, JsonNormalizer normalizer, Metaspace space, const EndNames& ends)
      : normalizer_(std::move(normalizer)),
        space_(space),
        added_(std::move(tables.raw)),
        scores_(std::move(tables.scores)),
        unknown_(tables.unknown) {
    top_id_ = tables.top_id;
    std::set<std::int32_t> controls;
    for (const ControlToken& control : tables.controls) controls.insert(control.id);
    std::vector<std::pair<std::string_view, std::int32_t>> entries;
    for (const auto& entry : tables.pieces.entries())
      if (!controls.contains(entry.id) && entry.size > 0)
        entries.emplace_back(tables.pieces.text(entry), entry.id);
    trie_ = Trie(std::move(entries));
    unknown_score_ = *std::min_element(scores_.begin(), scores_.end()) - kUnknownPenalty;
    set_controls(std::move(tables.controls), ends);
  }

  bool cleans() const override { return normalizer_.cleans(); }

  void encode(std::string_view text, Before, std::vector<Token>& out) const override {
    for (std::size_t at = 0; at < text.size();) {
      const AddedTokens::Match match = added_.find(text, at);
      if (match.begin > at) encode_stretch(text.substr(at, match.begin - at), at, out);
      if (match.id >= 0) out.push_back({match.id, static_cast<std::uint32_t>(match.begin), true});
      at = match.end;
    }
  }

 private:
  struct Best {
    std::int32_t id = -1;
    double score = 0;
    std::int64_t begin = -1;  // -1: nothing ends here
  };

  void encode_stretch(std::string_view text, std::size_t base, std::vector<Token>& out) const {
    const NormalizedText normalized = spaced(normalizer_.normalize(text), base);
    const std::string_view all = normalized.text;
    for (std::size_t begin = 0; begin < all.size();) {
      std::size_t end = space_.cuts ? all.find(kBlock, begin + 1) : all.size();
      end = std::min(end, all.size());
      encode_word(all.substr(begin, end - begin), normalized.origin.data() + begin, base, out);
      begin = end;
    }
  }

  // Spaces become U+2581, with one in front if the options require it.
  NormalizedText spaced(const NormalizedText& from, std::size_t base) const {
    NormalizedText out;
    const bool block = from.text.starts_with(' ') || from.text.starts_with(kBlock);
    const bool wanted =
        space_.prepend == Prepend::kAlways || (space_.prepend == Prepend::kFirst && base == 0);
    const auto put = [&](std::string_view text, std::uint32_t origin) {
      out.text.append(text);
      out.origin.insert(out.origin.end(), text.size(), origin);
    };
    if (wanted && !block && !from.text.empty()) put(kBlock, from.origin[0]);
    for (std::size_t i = 0; i < from.text.size(); ++i)
      put(from.text[i] == ' ' ? kBlock : std::string_view(&from.text[i], 1), from.origin[i]);
    return out;
  }

  void encode_word(std::string_view word, const std::uint32_t* origin, std::size_t base,
                   std::vector<Token>& out) const {
    std::vector<Best> best(word.size() + 1);
    const auto offer = [&](std::size_t begin, std::size_t end, std::int32_t id, double score) {
      if (best[end].begin < 0 || score > best[end].score)
        best[end] = {id, score, static_cast<std::int64_t>(begin)};
    };
    for (std::size_t begin = 0; begin < word.size();) {
      std::size_t after = begin;
      utf8::next(word, after);
      bool single = false;
      std::uint32_t node = Trie::kRoot;
      for (std::size_t end = begin; end < word.size();) {
        node = trie_.step(node, word[end++]);
        if (node == Trie::kDead) break;
        const std::int32_t id = trie_.value(node);
        if (id == Trie::kNone) continue;
        offer(begin, end, id, scores_[static_cast<std::size_t>(id)] + best[begin].score);
        single = single || end == after;
      }
      if (!single) offer(begin, after, unknown_, unknown_score_ + best[begin].score);
      begin = after;
    }
    const auto first = static_cast<std::ptrdiff_t>(out.size());
    for (std::size_t end = word.size(); end > 0;) {
      const Best& b = best[end];
      const auto begin = static_cast<std::size_t>(b.begin);
      const std::uint32_t place = origin[begin] + static_cast<std::uint32_t>(base);
      const bool fused =
          b.id == unknown_ && static_cast<std::ptrdiff_t>(out.size()) > first && out.back().id == unknown_;
      if (fused)
        out.back().begin = place;
      else
        out.push_back({b.id, place, true});
      end = begin;
    }
    std::reverse(out.begin() + first, out.end());
  }

  JsonNormalizer normalizer_;
  Metaspace space_;
  AddedTokens added_;
  Trie trie_;
  std::vector<double> scores_;
  double unknown_score_ = 0;
  std::int32_t unknown_;
};

Status read_vocabulary(const Json& model, UnigramTables& out) {
  const Json& vocabulary = member(model, "vocab");
  if (!vocabulary.is_array() || vocabulary.empty()) return refuse("model.vocab is empty or not a list");
  if (vocabulary.size() >= 1 << 24) return refuse("model.vocab has too many pieces");
  for (const Json& piece : vocabulary) {
    const std::string where = "model.vocab: entry " + std::to_string(out.scores.size());
    if (!piece.is_array() || piece.size() != 2 || !piece[0].is_string() || !piece[1].is_number())
      return refuse(where + " is not a piece and its score");
    out.top_id = static_cast<std::int32_t>(out.scores.size());
    if (!out.pieces.insert(piece[0].get<std::string>(), out.top_id)) return refuse(where + " occurs twice");
    out.scores.push_back(piece[1].get<double>());
  }
  const Json& unknown = member(model, "unk_id");
  if (!unknown.is_number_integer() || unknown.get<std::int64_t>() < 0 ||
      unknown.get<std::int64_t>() > out.top_id)
    return refuse("model.unk_id is not an id of model.vocab");
  out.unknown = unknown.get<std::int32_t>();
  if (member(model, "byte_fallback") == Json(true))
    return refuse("model.byte_fallback is not supported for Unigram");
  return Ok{};
}

Result<Metaspace> read_metaspace(const Json& splitter) {
  const Json& list = member(splitter, "pretokenizers");
  const bool sequence = type_of(splitter) == "Sequence" && list.is_array() && list.size() == 1;
  const Json& metaspace = sequence ? list[0] : splitter;
  if (type_of(metaspace) != "Metaspace" || member(metaspace, "replacement") != Json(std::string(kBlock)))
    return refuse("pre_tokenizer " + type_of(splitter) +
                  " is not supported for Unigram (Metaspace with U+2581, alone)");
  Metaspace out;
  out.cuts = member(metaspace, "split") != Json(false);
  const Json& scheme = member(metaspace, "prepend_scheme");
  if (scheme == Json("first")) out.prepend = Prepend::kFirst;
  if (scheme == Json("never")) out.prepend = Prepend::kNever;
  if (scheme.is_null() && member(metaspace, "add_prefix_space") == Json(false)) out.prepend = Prepend::kNever;
  return out;
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> make_unigram(const Json& file, const EndNames& ends) {
  UnigramTables tables;
  if (Status s = read_vocabulary(member(file, "model"), tables); !s) return s.error();
  if (Status s = read_added_tokens(member(file, "added_tokens"), tables); !s) return s.error();
  if (tables.normalized.any()) return refuse("added tokens with normalized are not supported for Unigram");
  Result<JsonNormalizer> normalizer = JsonNormalizer::create(member(file, "normalizer"));
  if (!normalizer) return normalizer.error();
  const Result<Metaspace> space = read_metaspace(member(file, "pre_tokenizer"));
  if (!space) return space.error();
  return std::shared_ptr<const Tokenizer>(
      std::make_shared<UnigramJson>(std::move(tables), std::move(*normalizer), *space, ends));
}

}  // namespace preferd::text
