// Viterbi over byte positions: the best score of a segmentation that ends at each, and its last piece. Single
// precision and the order of comparisons are those of sentencepiece (0.2), because segmentations with equal
// scores are common ("...." = "." + "..." = "..." + ".") and rounding decides between them. For the same
// reason scores are moved back towards zero in long texts.
#include <algorithm>
#include <limits>

#include "base/utf8.h"
#include "model/text/sentence_piece_models.h"

namespace preferd::text {
namespace {

constexpr float kUnknownPenalty = 10.0f;
constexpr float kFarFromZero = 100000.0f;

struct Best {
  std::int32_t id = -1;
  float score = 0;
  std::int64_t begin = -1;  // -1: nothing ends here
};

std::size_t character_size(char lead) {
  const auto u = static_cast<unsigned char>(lead);
  return u < 0xC0 ? 1 : u < 0xE0 ? 2 : u < 0xF0 ? 3 : 4;
}

class Lattice {
 public:
  explicit Lattice(std::size_t size) : best_(size + 1) {}

  float score_at(std::size_t at) {
    const float score = best_[at].score;
    if (score >= -kFarFromZero && score <= kFarFromZero) return score;
    for (std::size_t i = at; i <= frontier_; ++i)
      if (i == at || best_[i].begin >= 0) best_[i].score -= score;
    return 0;
  }

  void offer(std::size_t begin, std::size_t end, std::int32_t id, float score) {
    frontier_ = std::max(frontier_, end);
    Best& best = best_[end];
    if (best.begin < 0 || score > best.score) best = {id, score, static_cast<std::int64_t>(begin)};
  }

  void backtrack(std::vector<PieceSpan>& out) const {
    const auto first = static_cast<std::ptrdiff_t>(out.size());
    for (std::size_t end = best_.size() - 1; end > 0;) {
      const auto begin = static_cast<std::size_t>(best_[end].begin);
      out.push_back({best_[end].id, static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)});
      end = begin;
    }
    std::reverse(out.begin() + first, out.end());
  }

 private:
  std::vector<Best> best_;
  std::size_t frontier_ = 0;
};

}  // namespace

UnigramModel::UnigramModel(const SentencePieceFile& file) : unknown_(file.unknown) {
  std::vector<std::pair<std::string_view, std::int32_t>> entries;
  float lowest = std::numeric_limits<float>::max();
  for (std::size_t id = 0; id < file.pieces.size(); ++id) {
    const auto& piece = file.pieces[id];
    scores_.push_back(piece.score);
    user_defined_.push_back(piece.type == SentencePieceFile::kUserDefined);
    if (piece.type == SentencePieceFile::kNormal) lowest = std::min(lowest, piece.score);
    if (piece.matches() && piece.type != SentencePieceFile::kUnused)
      entries.emplace_back(piece.text, static_cast<std::int32_t>(id));
  }
  unknown_score_ = lowest - kUnknownPenalty;
  trie_ = Trie(std::move(entries));
}

void UnigramModel::encode(std::string_view text, std::vector<PieceSpan>& out) const {
  if (text.empty()) return;
  Lattice lattice(text.size());
  for (std::size_t begin = 0; begin < text.size();) {
    const float so_far = lattice.score_at(begin);
    const std::size_t after = std::min(begin + character_size(text[begin]), text.size());
    bool single = false;
    std::uint32_t node = Trie::kRoot;
    for (std::size_t end = begin; end < text.size();) {
      node = trie_.step(node, text[end++]);
      if (node == Trie::kDead) break;
      const std::int32_t id = trie_.value(node);
      if (id == Trie::kNone) continue;
      const auto index = static_cast<std::size_t>(id);
      const float score = user_defined_[index] != 0
                              ? static_cast<float>(0.1 * (static_cast<double>(end - begin) - 1))
                              : scores_[index];
      lattice.offer(begin, end, id, score + so_far);
      single = single || end == after;
    }
    if (!single) lattice.offer(begin, after, unknown_, unknown_score_ + so_far);
    begin = after;
  }
  lattice.backtrack(out);
}

}  // namespace preferd::text
