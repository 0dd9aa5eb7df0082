// The model has scores of pieces instead of a list of merges. A pair of symbols merges if its text is a
// piece, so every way to split a piece into two symbols is a merge, and its rank is the rank of the piece's
// score. Symbols are pieces, and single characters of pieces that are not pieces themselves.
#include <algorithm>

#include "base/utf8.h"
#include "model/text/sentence_piece_models.h"

namespace preferd::text {
namespace {

constexpr std::string_view kBlock = "\xE2\x96\x81";  // U+2581
constexpr std::size_t kLongestLookup = 64;           // bytes; longer words are rare and seldom one piece

// By id: pieces with equal scores have equal ranks.
std::vector<std::uint32_t> ranks_of(const SentencePieceFile& file) {
  std::vector<float> scores;
  for (const auto& piece : file.pieces) scores.push_back(piece.score);
  std::sort(scores.begin(), scores.end(), std::greater<>());
  scores.erase(std::unique(scores.begin(), scores.end()), scores.end());
  std::vector<std::uint32_t> out;
  for (const auto& piece : file.pieces)
    out.push_back(static_cast<std::uint32_t>(
        std::lower_bound(scores.begin(), scores.end(), piece.score, std::greater<>()) - scores.begin()));
  return out;
}

}  // namespace

Result<SentencePieceBpe> SentencePieceBpe::create(const SentencePieceFile& file) {
  for (const auto& piece : file.pieces)
    if (piece.type == SentencePieceFile::kUnused)
      return invalid("the SentencePiece model has unused pieces, which is not supported for BPE");
  return SentencePieceBpe(file);
}

SentencePieceBpe::SentencePieceBpe(const SentencePieceFile& file)
    : no_piece_(static_cast<std::int32_t>(file.pieces.size())), unknown_(file.unknown) {
  std::vector<std::pair<std::string_view, std::int32_t>> user_defined;
  for (std::size_t id = 0; id < file.pieces.size(); ++id) {
    const auto& piece = file.pieces[id];
    if (piece.matches()) symbols_.insert(piece.text, static_cast<std::int32_t>(id));
    if (piece.type == SentencePieceFile::kUserDefined)
      user_defined.emplace_back(piece.text, static_cast<std::int32_t>(id));
  }
  user_defined_ = Trie(std::move(user_defined));
  fill_merges(file);
  fill_words(file);
}

void SentencePieceBpe::fill_merges(const SentencePieceFile& file) {
  const std::vector<std::uint32_t> ranks = ranks_of(file);
  std::int32_t next = no_piece_;
  for (const auto& piece : file.pieces)
    for (std::size_t at = 0; piece.matches() && at < piece.text.size();) {
      const std::size_t begin = at;
      utf8::next(piece.text, at);
      if (symbols_.insert(piece.text.substr(begin, at - begin), next)) ++next;
    }
  for (std::size_t id = 0; id < file.pieces.size(); ++id) {
    const std::string_view text = file.pieces[id].text;
    if (!file.pieces[id].matches()) continue;
    std::size_t at = 0;
    for (utf8::next(text, at); at < text.size(); utf8::next(text, at)) {
      const std::int32_t left = symbols_.find(text.substr(0, at)), right = symbols_.find(text.substr(at));
      if (left >= 0 && right >= 0) merges_.insert(left, right, {ranks[id], static_cast<std::int32_t>(id)});
    }
  }
}

void SentencePieceBpe::fill_words(const SentencePieceFile& file) {
  Merger merger(merges_);
  std::vector<Token> tokens;
  std::vector<PieceSpan> spans;
  for (const auto& piece : file.pieces)
    if (piece.matches() && word_end(piece.text, 0) != piece.text.size()) cuts_ = false;
  for (std::size_t id = 0; id < file.pieces.size(); ++id) {
    const std::string_view text = file.pieces[id].text;
    if (file.pieces[id].type != SentencePieceFile::kNormal || text.size() > kLongestLookup) continue;
    spans.clear();
    encode_word(text, 0, text.size(), merger, tokens, spans);
    if (spans.size() == 1 && spans[0].id == static_cast<std::int32_t>(id)) words_.insert(text, spans[0].id);
  }
}

std::size_t SentencePieceBpe::word_end(std::string_view text, std::size_t begin) const {
  if (!cuts_) return text.size();
  std::size_t at = begin;
  while (text.substr(at).starts_with(kBlock)) at += kBlock.size();
  return std::min(text.find(kBlock, at), text.size());
}

void SentencePieceBpe::encode_word(std::string_view text, std::size_t begin, std::size_t end, Merger& merger,
                                   std::vector<Token>& tokens, std::vector<PieceSpan>& out) const {
  tokens.clear();
  for (std::size_t at = begin; at < end;) {
    const std::size_t start = at;
    utf8::next(text, at);
    const std::int32_t id = symbols_.find(text.substr(start, at - start));
    tokens.push_back({id < 0 ? Vocabulary::kNone : id, static_cast<std::uint32_t>(start), true});
  }
  merger.merge(tokens, 0);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const auto stop = i + 1 < tokens.size() ? tokens[i + 1].begin : static_cast<std::uint32_t>(end);
    const bool known = tokens[i].id >= 0 && tokens[i].id < no_piece_;
    out.push_back({known ? tokens[i].id : unknown_, tokens[i].begin, stop});
  }
}

void SentencePieceBpe::encode(std::string_view text, std::vector<PieceSpan>& out) const {
  Merger merger(merges_);
  std::vector<Token> tokens;
  const auto encode_words = [&](std::size_t begin, std::size_t end) {
    const std::string_view until = text.substr(0, end);
    for (std::size_t at = begin; at < end;) {
      const std::size_t stop = word_end(until, at);
      const std::int32_t id = stop - at <= kLongestLookup ? words_.find(text.substr(at, stop - at)) : -1;
      if (id >= 0)
        out.push_back({id, static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(stop)});
      else
        encode_word(text, at, stop, merger, tokens, out);
      at = stop;
    }
  };
  std::size_t begin = 0;
  for (std::size_t at = 0; !user_defined_.empty() && at < text.size();) {
    const std::size_t size = user_defined_.longest_prefix(text.substr(at));
    if (size == 0) {
      utf8::next(text, at);
      continue;
    }
    encode_words(begin, at);
    out.push_back({symbols_.find(text.substr(at, size)), static_cast<std::uint32_t>(at),
                   static_cast<std::uint32_t>(at + size)});
    begin = at += size;
  }
  encode_words(begin, text.size());
}

}  // namespace preferd::text
