#include "model/text/word_piece.h"

#include <set>

#include "base/schema.h"
#include "base/utf8.h"
#include "model/text/bert_normalizer.h"
#include "model/text/trie.h"

namespace preferd::text {
namespace {

Error refuse(const std::string& what) { return invalid("tokenizer.json: " + what); }

struct Options {
  std::int32_t unknown = -1;
  std::size_t longest = 100;  // characters of a word that is not unknown
  std::string prefix;         // of pieces that go on with a word
};

class WordPiece : public Tokenizer {
 public:
  WordPiece(TokenTables tables, BertNormalizer normalizer, Options options, const EndNames& ends)
      : normalizer_(normalizer),
        options_(std::move(options)),
        raw_(std::move(tables.raw)),
        normalized_(std::move(tables.normalized)) {
    top_id_ = tables.top_id;
    std::set<std::int32_t> controls;
    for (const ControlToken& control : tables.controls) controls.insert(control.id);
    std::vector<std::pair<std::string_view, std::int32_t>> begin, go_on;
    for (const auto& entry : tables.pieces.entries()) {
      const std::string_view piece = tables.pieces.text(entry);
      if (controls.contains(entry.id) || piece.empty()) continue;
      begin.emplace_back(piece, entry.id);
      if (piece.starts_with(options_.prefix) && piece.size() > options_.prefix.size())
        go_on.emplace_back(piece.substr(options_.prefix.size()), entry.id);
    }
    begin_ = Trie(std::move(begin));
    go_on_ = Trie(std::move(go_on));
    set_controls(std::move(tables.controls), ends);
  }

  bool cleans() const override { return false; }

  void encode(std::string_view text, Before, std::vector<Token>& out) const override {
    raw_.each(
        text,
        [&](std::size_t begin, std::size_t end) {
          encode_section(text.substr(begin, end - begin), begin, out);
        },
        [&](const AddedTokens::Match& m) {
          out.push_back({m.id, static_cast<std::uint32_t>(m.begin), true});
        });
  }

 private:
  void encode_section(std::string_view section, std::size_t base, std::vector<Token>& out) const {
    const NormalizedText all = normalizer_.normalize(section);
    const auto put = [&](std::int32_t id, std::size_t at) {
      const std::uint32_t origin = all.origin[at];
      const bool lead = at == 0 || all.origin[at - 1] != origin;
      out.push_back({id, origin + static_cast<std::uint32_t>(base), lead});
    };
    normalized_.each(
        all.text,
        [&](std::size_t begin, std::size_t end) {
          const std::string_view part = std::string_view(all.text).substr(begin, end - begin);
          each_bert_word(part, [&](std::size_t first, std::size_t last) {
            encode_word(part.substr(first, last - first), begin + first, put, out);
          });
        },
        [&](const AddedTokens::Match& m) { put(m.id, m.begin); });
  }

  template <class Put>
  void encode_word(std::string_view word, std::size_t base, const Put& put, std::vector<Token>& out) const {
    const std::size_t before = out.size();
    bool known = utf8::length(word) <= options_.longest;
    for (std::size_t at = 0; known && at < word.size();) {
      const Trie& trie = at == 0 ? begin_ : go_on_;
      std::uint32_t node = Trie::kRoot;
      std::int32_t id = Trie::kNone;
      std::size_t end = at;
      for (std::size_t i = at; i < word.size(); ++i) {
        node = trie.step(node, word[i]);
        if (node == Trie::kDead) break;
        if (trie.value(node) == Trie::kNone) continue;
        id = trie.value(node);
        end = i + 1;
      }
      known = id != Trie::kNone;
      if (known) put(id, base + at);
      at = end;
    }
    if (known) return;
    out.resize(before);
    put(options_.unknown, base);
  }

  BertNormalizer normalizer_;
  Options options_;
  AddedTokens raw_, normalized_;
  Trie begin_, go_on_;
};

Result<Options> read_options(const Json& model, const Vocabulary& pieces) {
  Options out;
  const Json& unknown = member(model, "unk_token");
  if (unknown.is_string()) out.unknown = pieces.find(unknown.get<std::string>());
  if (out.unknown < 0)
    return refuse("model.unk_token is " + describe(unknown) +
                  ", expected a piece of model.vocab (WordPiece)");
  const Json& longest = member(model, "max_input_chars_per_word");
  if (longest.is_number_unsigned()) out.longest = longest.get<std::size_t>();
  const Json& prefix = member(model, "continuing_subword_prefix");
  out.prefix = prefix.is_string() ? prefix.get<std::string>() : "##";
  return out;
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> make_word_piece(const TokenizerJson& file, const EndNames& ends) {
  TokenTables tables;
  if (Status s = read_pieces(file, tables); !s) return s.error();
  if (Status s = read_added_tokens(member(file.rest, "added_tokens"), tables); !s) return s.error();
  Result<Options> options = read_options(member(file.rest, "model"), tables.pieces);
  if (!options) return options.error();
  const Result<BertNormalizer> normalizer = BertNormalizer::create(member(file.rest, "normalizer"));
  if (!normalizer) return normalizer.error();
  Result<AddedTokens> normalized =
      tables.normalized.with_texts([&](std::string_view text) { return normalizer->normalize(text).text; });
  if (!normalized) return normalized.error();
  tables.normalized = std::move(*normalized);
  if (const std::string type = type_of(member(file.rest, "pre_tokenizer")); type != "BertPreTokenizer")
    return refuse("pre_tokenizer " + type + " is not supported for WordPiece (BertPreTokenizer)");
  return std::shared_ptr<const Tokenizer>(
      std::make_shared<WordPiece>(std::move(tables), *normalizer, std::move(*options), ends));
}

}  // namespace preferd::text
