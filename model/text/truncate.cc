#include "model/text/truncate.h"

#include <algorithm>

#include "base/utf8.h"

namespace preferd::text {
namespace {

std::int64_t code_points(std::string_view text, std::size_t begin, std::size_t end) {
  return static_cast<std::int64_t>(utf8::length(text.substr(begin, end - begin)));
}

// Counts the code points of the dropped tokens [from, to) that no kept token covers, by owner. Ends never
// decrease along the tokens, so what the kept ones cover is before `covered` and after `limit`.
void count_lost_characters(const Composed& sequence, std::size_t from, std::size_t to, LostByOwner& lost) {
  const auto& tokens = sequence.tokens;
  std::uint32_t covered = from > 0 ? tokens[from - 1].end : 0;
  const auto limit = to < tokens.size() ? tokens[to].begin : static_cast<std::uint32_t>(sequence.text.size());
  const auto count = [&](std::uint32_t begin, std::uint32_t end) {
    for (const OwnedRange& range : sequence.ranges) {
      const std::uint32_t low = std::max(begin, range.begin), high = std::min(end, range.end);
      if (low < high) lost[range.owner].chars += code_points(sequence.text, low, high);
    }
  };
  std::uint32_t begin = covered;
  for (std::size_t i = from; i < to; ++i) {
    if (tokens[i].begin > covered) {
      count(begin, std::min(covered, limit));
      begin = tokens[i].begin;
    }
    covered = std::max(covered, tokens[i].end);
  }
  count(begin, std::min(covered, limit));
}

std::int64_t floor_third(std::int64_t n) { return n >= 0 ? n / 3 : -((-n + 2) / 3); }

}  // namespace

Status cut_end(Composed& sequence, std::size_t need, End end, LostByOwner& lost) {
  auto& tokens = sequence.tokens;
  const auto is_free = [](const OwnedToken& t) { return t.guard == Guard::kFree; };
  const auto first = std::find_if(tokens.begin(), tokens.end(), is_free) - tokens.begin();
  const auto last = tokens.rend() - std::find_if(tokens.rbegin(), tokens.rend(), is_free);
  const auto begin = static_cast<std::size_t>(first);
  const auto stop = static_cast<std::size_t>(std::max(first, last));
  if (need > stop - begin) return invalid("max_tokens is too small for the chat wrapper");
  std::size_t from = begin, to = stop;
  if (end == End::kBack) {
    from = stop - need;
    while (from > begin && !tokens[from].lead) --from;
  } else {
    to = begin + need;
    while (to < stop && !tokens[to].lead) ++to;
  }
  for (std::size_t i = from; i < to; ++i) ++lost[tokens[i].owner].tokens;
  count_lost_characters(sequence, from, to, lost);
  tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(from),
               tokens.begin() + static_cast<std::ptrdiff_t>(to));
  return Ok{};
}

MiddleCut::MiddleCut(const std::vector<std::string>& pieces, const Tokenizer& tokenizer) {
  for (const std::string& piece : pieces) {
    text_ += piece;
    ends_.push_back(text_.size());
  }
  tokenizer.encode(text_, Before::kNothing, tokens_);
}

// The pieces without bytes [begin, end) of all; the marker stands in the piece that loses the first of them.
std::vector<std::string> MiddleCut::without(std::size_t begin, std::size_t end,
                                            std::string_view marker) const {
  std::vector<std::string> out;
  std::size_t at = 0;
  for (const std::size_t stop : ends_) {
    const std::size_t front = std::clamp(begin, at, stop), back = std::clamp(end, at, stop);
    std::string& piece = out.emplace_back(text_, at, front - at);
    if (begin >= at && begin < stop) piece += marker;
    piece.append(text_, back, stop - back);
    at = stop;
  }
  return out;
}

std::vector<std::string> MiddleCut::cut(std::int64_t share, double head, std::string_view marker,
                                        Lost& lost) const {
  const std::int64_t n = tokens();
  lost = {};
  if (n <= share) return without(text_.size(), text_.size(), {});
  if (share <= 0) {
    lost = {n, code_points(text_, 0, text_.size())};
    return without(0, text_.size(), {});
  }
  const auto lead = [&](std::int64_t i) { return tokens_[static_cast<std::size_t>(i)].lead; };
  auto front = static_cast<std::int64_t>(head * static_cast<double>(share));
  std::int64_t back = n - (share - front);
  while (front > 0 && !lead(front)) --front;
  while (back < n && !lead(back)) ++back;
  const std::size_t a = tokens_[static_cast<std::size_t>(front)].begin;
  const std::size_t b = back < n ? tokens_[static_cast<std::size_t>(back)].begin : text_.size();
  lost = {back - front, code_points(text_, a, b)};
  return without(a, b, marker);
}

std::vector<std::int64_t> field_shares(const Truncation& truncation, const std::vector<std::int64_t>& lengths,
                                       std::int64_t budget, std::int64_t marker_tokens) {
  std::vector<std::int64_t> out(lengths);
  if (truncation.mode == Cut::kRatio) {
    const std::int64_t room =
        std::max<std::int64_t>(budget - marker_tokens * static_cast<std::int64_t>(lengths.size()), 0);
    for (std::size_t f = 0; f < out.size(); ++f)
      out[f] = static_cast<std::int64_t>((f == 0 ? truncation.prompt : truncation.response) *
                                         static_cast<double>(room));
    return out;
  }
  std::int64_t room = budget, rest = 0;
  for (const std::int64_t n : lengths) {
    const bool whole = n <= floor_third(budget);
    room -= whole ? n : marker_tokens;
    rest += whole ? 0 : n;
  }
  room = std::max<std::int64_t>(room, 0);
  for (std::int64_t& n : out)
    if (n > floor_third(budget)) n = room * n / std::max<std::int64_t>(rest, 1);
  return out;
}

}  // namespace preferd::text
