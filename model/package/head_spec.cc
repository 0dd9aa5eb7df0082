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

std::optional<Markers> places_of(const Markers& markers, std::span<const std::int32_t> ids) {
  Markers places{};
  for (std::size_t i = 0; i < markers.size(); ++i) {
    const auto found = std::find(ids.begin(), ids.end(), markers[i]);
    if (found == ids.end() || std::find(found + 1, ids.end(), markers[i]) != ids.end()) return std::nullopt;
    places[i] = static_cast<std::int32_t>(found - ids.begin());
  }
  return places;
}

}  // namespace preferd::package
