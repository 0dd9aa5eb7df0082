// BertNormalizer and BertPreTokenizer of tokenizer.json, in this order:
//
//   clean_text            control characters and U+FFFD go, white space becomes a space
//   handle_chinese_chars  spaces around CJK ideographs
//   strip_accents         canonical decomposition, then nonspacing marks go; null: as lowercase says
//   lowercase             character by character
//
// `tokenizers` has tables of several versions of Unicode for this: 8 for control characters, marks and
// punctuation, 9 for decomposition, 17 for lower case; so has this.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/text/sentence_piece_normalizer.h"

namespace preferd::text {

// Immutable; any thread.
class BertNormalizer {
 public:
  // Errors: another component.
  static Result<BertNormalizer> create(const Json& component);

  // Origins do not decrease. Time is O(n log n) in the length of the text.
  NormalizedText normalize(std::string_view text) const;

 private:
  bool clean_ = true, spaces_ideographs_ = true, strips_ = true, lowers_ = true;
};

// Calls take(begin, end) for the words of a text as BertPreTokenizer cuts them: white space goes, and every
// punctuation character is a word.
void each_bert_word(std::string_view text, const std::function<void(std::size_t, std::size_t)>& take);

}  // namespace preferd::text
