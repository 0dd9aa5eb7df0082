// tokenizer.json in parts: the two long tables as flat arrays, the rest as a document.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace preferd::text {

struct TokenizerJson {
  struct Piece {
    std::size_t begin, size;
    std::int32_t id;
  };
  struct Merge {
    std::size_t begin, left_size, right_size;  // the two texts are stored one after the other
  };

  Json rest;  // the document without model.vocab and model.merges if those are a map and a list of pairs
  std::string arena;
  std::vector<Piece> pieces;
  std::vector<Merge> merges;  // by rank

  std::string_view text(std::size_t begin, std::size_t size) const {
    return std::string_view(arena).substr(begin, size);
  }
};

// Errors: not JSON; a piece whose id is not an integer in [0, 2^24); a merge that is neither "a b" nor ["a",
// "b"].
Result<TokenizerJson> read_tokenizer_json(std::string_view text);

}  // namespace preferd::text
