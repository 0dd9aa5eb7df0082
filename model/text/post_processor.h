// What a tokenizer itself puts around a text, or around a pair of texts: tokenizer.json's post_processor, as
// Hugging Face's tokenizers apply it with add_special_tokens.
//
//   TemplateProcessing       its `single` and `pair`, with the ids of special_tokens
//   BertProcessing           [CLS] A [SEP]   and   [CLS] A [SEP] B [SEP]
//   RobertaProcessing        <s> A </s>      and   <s> A </s></s> B </s>
//   ByteLevel                nothing
//   Sequence                 the one of its parts that adds something
#pragma once

#include <cstdint>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace preferd::text {

// Ids around one text (middle is empty), or before, between and behind two.
struct Surrounding {
  std::vector<std::int32_t> front, middle, back;
};

// The types of the tokens of a pair of texts.
enum class PairTypes {
  kOne,     // all 0
  kSecond,  // 0, and 1 from the second text on
  kOther
};

struct PostProcessor {
  Surrounding one, two;
  PairTypes types = PairTypes::kOne;  // of two
};

// Null adds nothing. Errors: a type, or an order of texts, that is not supported.
Result<PostProcessor> read_post_processor(const Json& component);

}  // namespace preferd::text
