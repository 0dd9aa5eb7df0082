#include "model/package/head_spec.h"

#include <algorithm>

namespace preferd::package {

std::size_t tokens_to_read(const HeadSpec& head, std::span<const std::int32_t> ids) {
  const auto last = [&](auto wanted) {
    return static_cast<std::size_t>(ids.rend() - std::find_if(ids.rbegin(), ids.rend(), wanted));
  };
  if (head.at_token) return last([&](std::int32_t id) { return id == *head.at_token; });
  if (!head.skip_token || ids.empty()) return ids.size();
  return std::max<std::size_t>(1, last([&](std::int32_t id) { return id != *head.skip_token; }));
}

std::size_t tokens_to_gate(const GateSpec& gate, std::span<const std::int32_t> ids) {
  const auto found = std::find_end(ids.begin(), ids.end(), gate.at_tokens.begin(), gate.at_tokens.end());
  return found == ids.end() ? 0 : static_cast<std::size_t>(found - ids.begin()) + 1;
}

}  // namespace preferd::package
