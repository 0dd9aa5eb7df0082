#include "model/text/added_tokens.h"

#include <algorithm>

#include "base/unicode.h"
#include "base/utf8.h"
#include "model/text/code_points.h"

namespace preferd::text {
namespace {

std::size_t code_point_before(std::string_view text, std::size_t end) {
  do --end;
  while (utf8::is_continuation(text[end]));
  return end;
}

bool stands_alone(std::string_view text, std::size_t begin, std::size_t end) {
  const auto in_word = [&](std::size_t at) { return is_rust_word(utf8::next(text, at)); };
  return (begin == 0 || !in_word(code_point_before(text, begin))) && (end == text.size() || !in_word(end));
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::vector<std::pair<std::string_view, std::int32_t>> entries;
  for (const AddedToken& token : tokens_) {
    entries.emplace_back(token.text, static_cast<std::int32_t>(entries.size()));
    begins_[static_cast<unsigned char>(token.text.front())] = true;
    plain_ = plain_ || token.kind == AddedToken::Kind::kPlain;
  }
  trie_ = Trie(std::move(entries));
}

AddedTokens::Match AddedTokens::find(std::string_view text, std::size_t from) const {
  for (std::size_t begin = from; plain_ && begin < text.size(); ++begin) {
    if (!begins_[static_cast<unsigned char>(text[begin])]) continue;
    std::uint32_t node = Trie::kRoot;
    std::int32_t longest = Trie::kNone;
    std::size_t end = begin;
    for (std::size_t at = begin; at < text.size(); ++at) {
      node = trie_.step(node, text[at]);
      if (node == Trie::kDead) break;
      if (trie_.value(node) == Trie::kNone) continue;
      longest = trie_.value(node);
      end = at + 1;
    }
    if (longest == Trie::kNone) continue;
    const AddedToken& token = tokens_[static_cast<std::size_t>(longest)];
    const bool counts = token.kind == AddedToken::Kind::kPlain;
    if (counts && (!token.single_word || stands_alone(text, begin, end)))
      return {begin, end, token.id, static_cast<std::size_t>(longest)};
    begin = end - 1;
  }
  return {text.size(), text.size(), -1};
}

AddedTokens::Match AddedTokens::with_space(std::string_view text, std::size_t done, Match match) const {
  const AddedToken& token = tokens_[match.token];
  const auto white = [&](std::size_t at) { return unicode::is_white_space(utf8::next(text, at)); };
  while (token.lstrip && match.begin > done && white(code_point_before(text, match.begin)))
    match.begin = code_point_before(text, match.begin);
  if (token.lstrip) match.begin = std::max(match.begin, done);
  while (token.rstrip && match.end < text.size() && white(match.end)) utf8::next(text, match.end);
  return match;
}

Result<AddedTokens> AddedTokens::with_texts(
    const std::function<std::string(std::string_view)>& change) const {
  std::vector<AddedToken> tokens = tokens_;
  for (AddedToken& token : tokens) {
    std::string text = change(token.text);
    if (text.empty())
      return invalid("tokenizer.json: the added token '" + token.text +
                     "' is normalized to an empty text, which is not supported");
    token.text = std::move(text);
  }
  return AddedTokens(std::move(tokens));
}

}  // namespace preferd::text
