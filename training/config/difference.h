// Which keys of two configurations differ.
#pragma once

#include <string>
#include <vector>

#include "training/config/config.h"

namespace preferd::training {

struct Difference {
  std::string key;         // "loop.max_steps", "package.head.layers"
  std::string one, other;  // as JSON; "nothing" where a key of [package] or a source's rule is not there
};

// In the order of the keys' names. Pure.
std::vector<Difference> differences(const TrainConfig& one, const TrainConfig& other);

}  // namespace preferd::training
