#include "model/checkpoint/names.h"

#include <algorithm>

namespace preferd::checkpoint {

bool is_of_head(const std::string& name) {
  return std::ranges::find(kHeads, name.substr(0, name.find('.'))) != kHeads.end();
}

std::string list_of(const std::vector<std::string>& names) {
  constexpr std::size_t kMost = 8;
  std::string out;
  for (std::size_t i = 0; i < std::min(names.size(), kMost); ++i) out += (i ? ", " : "") + names[i];
  return out + (names.size() > kMost ? " and " + std::to_string(names.size() - kMost) + " more" : "");
}

}  // namespace preferd::checkpoint
