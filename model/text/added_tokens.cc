#include "model/text/added_tokens.h"

namespace preferd::text {

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
    if (token.kind == AddedToken::Kind::kPlain) return {begin, end, token.id};
    begin = end - 1;
  }
  return {text.size(), text.size(), -1};
}

}  // namespace preferd::text
