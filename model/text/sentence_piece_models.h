// The two supported kinds of SentencePiece model: from normalized text to pieces.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "model/text/bpe.h"
#include "model/text/sentence_piece_file.h"
#include "model/text/trie.h"
#include "model/text/vocabulary.h"

namespace preferd::text {

struct PieceSpan {
  std::int32_t id;  // the unknown piece's id for text that no piece matches
  std::uint32_t begin, end;
};

// Immutable; any thread.
class SentencePieceModel {
 public:
  virtual ~SentencePieceModel() = default;

  // Appends spans that cover `text` without gaps.
  virtual void encode(std::string_view text, std::vector<PieceSpan>& out) const = 0;
};

// The segmentation with the highest total score.
class UnigramModel : public SentencePieceModel {
 public:
  explicit UnigramModel(const SentencePieceFile& file);
  void encode(std::string_view text, std::vector<PieceSpan>& out) const override;

 private:
  Trie trie_;
  std::vector<float> scores_;               // by id
  std::vector<std::uint8_t> user_defined_;  // by id
  float unknown_score_ = 0;
  std::int32_t unknown_;
};

// Neighbours merge if their joined text is a piece: the pair with the highest score first, the leftmost of
// equal ones.
class SentencePieceBpe : public SentencePieceModel {
 public:
  // Errors: pieces marked unused, which would have to be split again.
  static Result<SentencePieceBpe> create(const SentencePieceFile& file);
  void encode(std::string_view text, std::vector<PieceSpan>& out) const override;

 private:
  explicit SentencePieceBpe(const SentencePieceFile& file);
  void fill_merges(const SentencePieceFile& file);
  void fill_words(const SentencePieceFile& file);
  std::size_t word_end(std::string_view text, std::size_t begin) const;
  void encode_word(std::string_view text, std::size_t begin, std::size_t end, Merger& merger,
                   std::vector<Token>& tokens, std::vector<PieceSpan>& out) const;

  Trie user_defined_;   // never merged with anything
  Vocabulary symbols_;  // pieces, and from no_piece_ on characters of pieces that are not pieces themselves
  Vocabulary words_;    // pieces that their own merges rebuild
  Merges merges_;
  std::int32_t no_piece_, unknown_;
  bool cuts_ = true;  // U+2581 only begins pieces, so no merge crosses the border before it
};

}  // namespace preferd::text
