// Which rows of an index become examples, and on which side. Pure functions of the index: the order of the
// files decides only which of several duplicates is the first.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "training/data/corpus.h"

namespace preferd::training {

using Numbers = std::vector<std::uint32_t>;  // indices, ascending

struct Deduplicated {
  Numbers kept;
  std::size_t repeated = 0, contradictory = 0;  // number of those dropped with the same label, with another
                                                // label
};

// Keeps the first of each key. Labels are compared after exchange: a swapped copy with the swapped label is a
// repetition.
Deduplicated deduplicate(std::span<const IndexEntry> index, const Numbers& from);

// Whether a prompt belongs to a validation share in [0, 1). A function of the prompt and the seed only.
bool in_share(std::uint64_t group, double share, std::uint64_t seed);

struct Shared {
  std::size_t prompts = 0, pairs = 0;                         // distinct, on both sides
  std::vector<std::pair<std::uint32_t, std::uint32_t>> some;  // (train, valid), for the first prompts
  Numbers train_rows;                                         // of shared prompts
};
Shared shared_between(std::span<const IndexEntry> index, const Numbers& train, const Numbers& valid);

// The `limit` entries with the smallest hashes of key and seed.
Numbers limited(std::span<const IndexEntry> index, const Numbers& from, std::size_t limit,
                std::uint64_t seed);

}  // namespace preferd::training
