#include "training/model/random.h"

#include <cstring>
#include <string>

#include "base/sha256.h"

namespace preferd::training {

SplitMix named_stream(std::uint64_t seed, std::string_view name) {
  const auto digest = sha256(std::to_string(seed) + '/' + std::string(name));
  std::uint64_t state = 0;
  std::memcpy(&state, digest.data(), sizeof state);
  return SplitMix(state);
}

}  // namespace preferd::training
