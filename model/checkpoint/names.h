// Names of tensors in messages.
#pragma once

#include <string>
#include <vector>

namespace preferd::checkpoint {

// "a, b": the first eight, and how many more there are.
std::string list_of(const std::vector<std::string>& names);

}  // namespace preferd::checkpoint
