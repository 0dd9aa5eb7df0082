// Which rows are the same. Pure functions; any thread.
//
//   group   rows about the same prompt: they stay on one side of a split
//   key     rows that compare the same two responses to the same prompt, in whichever order
//
// A prompt counts after normalisation: NFC, lower case, each run of white space one space, none at the ends.
// Responses count byte for byte. Keys are the first 128 bits of SHA-256(SHA-256(prompt) | smaller | larger),
// where the responses are sorted by their own SHA-256.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

#include "model/text/pair.h"

namespace preferd::training {

using Key = std::array<std::uint8_t, 16>;

struct KeyHash {
  std::size_t operator()(const Key& key) const {
    std::size_t word = 0;
    std::memcpy(&word, key.data(), sizeof word);
    return word;
  }
};

struct Identity {
  std::uint64_t group = 0;
  Key key{};
  bool exchanged = false;  // whether response_b is the first in the key: labels of duplicates are compared
                           // after this exchange
};

// Requires valid UTF-8.
std::string normalised_prompt(std::string_view prompt);
Identity identity_of(const text::Pair& pair);

// The key of an id given as JSON; 17 and "17" are the same.
Key id_key(std::string_view id);

}  // namespace preferd::training
