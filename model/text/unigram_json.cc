// The path with the highest score through a word, as in `tokenizers`: among equal scores the first one found
// stays, and neighbours that no piece matches are one unknown token.
#include "model/text/unigram_json.h"

#include <algorithm>
#include <limits>
#include <set>

#include "base/unicode.h"
#include "base/utf8.h"
#include "model/text/code_points.h"
#include "model/text/json_normalizer.h"
#include "model/text/metaspace.h"
#include "model/text/trie.h"

namespace preferd::text {
namespace {

constexpr double kUnknownPenalty = 10;

Error refuse(const std::string& what) { return invalid("tokenizer.json: " + what); }

// What splits a normalized text: Metaspace, behind WhitespaceSplit or alone.
struct Splitter {
  Metaspace space;
  bool at_white_space = false;
};

struct UnigramTables : TokenTables {
  std::vector<double> scores;  // by id
  std::int32_t unknown = -1;
};

class UnigramJson : public Tokenizer {
 public:
  UnigramJson(UnigramTables tables, JsonNormalizer normalizer, Splitter splitter, const EndNames& ends)
      : normalizer_(std::move(normalizer)),
        splitter_(splitter),
        raw_(std::move(tables.raw)),
        normalized_(std::move(tables.normalized)),
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

  void encode(std::string_view text, Before before, std::vector<Token>& out) const override {
    raw_.each(
        text,
        [&](std::size_t begin, std::size_t end) {
          const bool first = begin == 0 && before == Before::kNothing;
          encode_section(text.substr(begin, end - begin), begin, first, out);
        },
        [&](const AddedTokens::Match& m) {
          out.push_back({m.id, static_cast<std::uint32_t>(m.begin), true});
        });
  }

 private:
  struct Best {
    std::int32_t id = -1;
    double score = 0;
    std::int64_t begin = -1;  // -1: nothing ends here
  };

  void encode_section(std::string_view text, std::size_t base, bool first, std::vector<Token>& out) const {
    const NormalizedText all = normalizer_.normalize(text);
    normalized_.each(
        all.text,
        [&](std::size_t begin, std::size_t end) {
          if (splitter_.at_white_space) return encode_runs(all, begin, end, base, first, out);
          encode_stretch(slice(all, begin, end), base, first && begin == 0, out);
        },
        [&](const AddedTokens::Match& m) {
          out.push_back({m.id, all.origin[m.begin] + static_cast<std::uint32_t>(base), true});
        });
  }

  // The texts between white space.
  void encode_runs(const NormalizedText& all, std::size_t begin, std::size_t end, std::size_t base,
                   bool first, std::vector<Token>& out) const {
    std::size_t run = begin;
    for (std::size_t at = begin; at < end;) {
      const std::size_t start = at;
      if (!unicode::is_white_space(utf8::next(all.text, at))) continue;
      if (start > run) encode_stretch(slice(all, run, start), base, first && run == 0, out);
      run = at;
    }
    if (end > run) encode_stretch(slice(all, run, end), base, first && run == 0, out);
  }

  static NormalizedText slice(const NormalizedText& all, std::size_t begin, std::size_t end) {
    const auto origin = all.origin.begin();
    return {all.text.substr(begin, end - begin),
            {origin + static_cast<std::ptrdiff_t>(begin), origin + static_cast<std::ptrdiff_t>(end)}};
  }

  void encode_stretch(const NormalizedText& part, std::size_t base, bool first,
                      std::vector<Token>& out) const {
    const NormalizedText spaced = splitter_.space.spaced(part, first);
    const std::string_view all = spaced.text;
    for (std::size_t begin = 0; begin < all.size();) {
      const std::size_t end = splitter_.space.word_end(all, begin);
      encode_word(all.substr(begin, end - begin), spaced.origin.data() + begin, base, out);
      begin = end;
    }
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
  Splitter splitter_;
  AddedTokens raw_, normalized_;
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

Result<Splitter> read_splitter(const Json& component) {
  const Json& list = member(component, "pretokenizers");
  const bool sequence = type_of(component) == "Sequence" && list.is_array();
  const Json parts = sequence ? list : Json::array({component});
  Splitter out;
  out.at_white_space = parts.size() == 2 && type_of(parts[0]) == "WhitespaceSplit";
  if (parts.size() != (out.at_white_space ? 2u : 1u) || type_of(parts.back()) != "Metaspace")
    return refuse("pre_tokenizer " + type_of(component) +
                  " is not supported for Unigram (Metaspace, alone or behind WhitespaceSplit)");
  const Result<Metaspace> space = Metaspace::create(parts.back());
  if (!space) return space.error();
  out.space = *space;
  return out;
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> make_unigram(const Json& file, const EndNames& ends) {
  UnigramTables tables;
  if (Status s = read_vocabulary(member(file, "model"), tables); !s) return s.error();
  if (Status s = read_added_tokens(member(file, "added_tokens"), tables); !s) return s.error();
  Result<JsonNormalizer> normalizer = JsonNormalizer::create(member(file, "normalizer"));
  if (!normalizer) return normalizer.error();
  Result<AddedTokens> normalized = tables.normalized.with_texts([&](std::string_view text) {
    return normalizer->normalize(normalizer->cleans() ? nfc_9(text) : std::string(text)).text;
  });
  if (!normalized) return normalized.error();
  tables.normalized = std::move(*normalized);
  const Result<Splitter> splitter = read_splitter(member(file, "pre_tokenizer"));
  if (!splitter) return splitter.error();
  return std::shared_ptr<const Tokenizer>(
      std::make_shared<UnigramJson>(std::move(tables), std::move(*normalizer), *splitter, ends));
}

}  // namespace preferd::text
