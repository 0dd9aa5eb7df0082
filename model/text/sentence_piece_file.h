// A SentencePiece .model file: the protocol buffer ModelProto, as far as encoding needs it.
//
//   ModelProto      1 pieces*, 2 trainer_spec, 3 normalizer_spec
//   piece           1 text, 2 score (float), 3 type
//   trainer_spec    3 model_type, 24 treat_whitespace_as_suffix, 35 byte_fallback, 46 bos_piece, 47 eos_piece
//   normalizer_spec 2 precompiled_charsmap, 3 add_dummy_prefix, 4 remove_extra_whitespaces,
//                   5 escape_whitespaces
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace preferd::text {

struct SentencePieceFile {
  enum Type { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };
  enum Model { kUnigram = 1, kBpe = 2 };

  struct Piece {
    std::string_view text;
    float score = 0;
    int type = kNormal;

    // Whether text can become it (which excludes control tokens, the unknown piece and bytes).
    bool matches() const { return type == kNormal || type == kUserDefined || type == kUnused; }
  };

  std::vector<Piece> pieces;  // by id
  int model = kUnigram;
  bool byte_fallback = false, space_as_suffix = false;
  std::string_view bos = "<s>", eos = "</s>";
  std::string_view character_map;
  bool dummy_prefix = true, remove_extra_spaces = true, escape_spaces = true;
  std::int32_t unknown = -1;
};

// Views point into `proto`. Errors: a malformed file; a piece that is empty, occurs twice or is not UTF-8; a
// score that is not finite; no unknown piece, or byte fallback without all 256 byte pieces.
Result<SentencePieceFile> read_sentence_piece_file(std::string_view proto);

// The byte of a piece "<0x00>" to "<0xFF>", otherwise -1.
int byte_of_piece(std::string_view piece);

}  // namespace preferd::text
