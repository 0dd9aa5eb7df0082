// What all kinds of models read from tokenizer.json in the same way.
#pragma once

#include <vector>

#include "base/result.h"
#include "model/text/added_tokens.h"
#include "model/text/bpe.h"
#include "model/text/post_processor.h"
#include "model/text/tokenizer.h"
#include "model/text/tokenizer_json.h"
#include "model/text/vocabulary.h"

namespace preferd::text {

struct TokenTables {
  Vocabulary pieces;  // as the file writes them
  std::int32_t top_id = -1;
  std::vector<ControlToken> controls;
  AddedTokens raw;         // matched first
  AddedTokens normalized;  // matched in the text between, once it is normalized
};

struct BpeModel : TokenTables {
  Merges merges;
};

// Reads a model.vocab that maps pieces to ids. Errors: an empty one; a piece twice.
Status read_pieces(const TokenizerJson& file, TokenTables& out);

// Adds added_tokens of tokenizer.json to tables that contain the pieces. Errors: as below.
Status read_added_tokens(const Json& list, TokenTables& out);

// Errors: a model that is not BPE; an option that is enabled but not supported; merges of pieces that do not
// exist; added tokens that contradict the vocabulary.
Result<BpeModel> read_bpe_model(const TokenizerJson& file);

// BOS and EOS as named by the configuration files of a model directory (empty: not named), and what the
// tokenizer puts around texts.
struct EndNames {
  std::string bos, eos;
  SpecialNames special;
  Result<PostProcessor> added = PostProcessor{};
  bool adds_bos = false;  // of a SentencePiece model, which has no post-processor: BOS comes first
};

// `object[key]`, or null.
const Json& member(const Json& object, const char* key);

// object.type, or "null" or "?" if there is none: for messages and comparisons.
std::string type_of(const Json& component);

}  // namespace preferd::text
