// The normalizers of tokenizer.json that Unigram models have, applied one after the other.
//
//   Strip        white space off either end
//   Precompiled  SentencePiece's rules as `tokenizers` applies them: to grapheme clusters below 6 bytes,
//                whose shortest rule replaces them whole, otherwise to single characters
//   Replace      runs of spaces (" {2,}"), or of white space and line ends (\s{2,}|[\n\r\t]), by one text
//   NFC          applied to the whole text beforehand (cleans()); nothing that replaces characters may come
//                before it
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/text/character_map.h"
#include "model/text/sentence_piece_normalizer.h"

namespace preferd::text {

// Immutable; any thread.
class JsonNormalizer {
 public:
  // `normalizer`: the component, a Sequence of components, or null. Errors: components other than those
  // above.
  static Result<JsonNormalizer> create(const Json& normalizer);

  bool cleans() const { return cleans_; }
  NormalizedText normalize(std::string_view text) const;

 private:
  struct Strip {
    bool left, right;
  };
  enum class Runs { kSpaces, kWhite };
  struct Replace {
    Runs runs;
    std::string content;
  };
  using Step = std::variant<Strip, CharacterMap, Replace>;

  static Result<Step> read(const Json& component);

  std::vector<Step> steps_;
  bool cleans_ = false;
};

}  // namespace preferd::text
