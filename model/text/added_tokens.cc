#include "model/text/added_tokens.h"

namespace preferd {

void AddedTokens::insert(std::string_view text, std::int32_t id, Kind kind) {
  std::uint32_t node = 0;
  for (const char byte : text) {
    std::uint32_t next = step(node, byte);
    if (next == kNone) {
      next = static_cast<std::uint32_t>(nodes_.size());
      nodes_.push_back({kNone, nodes_[node].child, -1, byte, Kind::kPlain});
      nodes_[node].child = next;
    }
    node = next;
  }
  begins_[static_cast<unsigned char>(text.front())] = true;
  plain_ = plain_ || kind == Kind::kPlain;
  if (nodes_[node].id >= 0) return;
  nodes_[node].id = id;
  nodes_[node].kind = kind;
}

AddedTokens::Match AddedTokens::find(std::string_view text, std::size_t from) const {
  for (std::size_t begin = from; plain_ && begin < text.size(); ++begin) {
    if (!begins_[static_cast<unsigned char>(text[begin])]) continue;
    std::uint32_t node = 0, longest = kNone;
    std::size_t end = begin;
    for (std::size_t at = begin; at < text.size(); ++at) {
      node = step(node, text[at]);
      if (node == kNone) break;
      if (nodes_[node].id < 0) continue;
      longest = node;
      end = at + 1;
    }
    if (longest == kNone) continue;
    if (nodes_[longest].kind == Kind::kPlain) return {begin, end, nodes_[longest].id};
    begin = end - 1;
  }
  return {text.size(), text.size(), -1};
}

}  // namespace preferd
