// The "input" of packages over published encoders: what their tokenizers and classes put around texts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/json.h"
#include "base/result.h"
#include "model/convert/published_head.h"

namespace preferd::convert {

struct PairOfTexts {
  OrderedJson input;
  std::optional<std::int32_t> second_type_after;  // base.second_type_after of package.json
};

// The prompt and a response as the tokenizer of `base` puts a pair of texts together; `config`: its config.json.
Result<PairOfTexts> pair_of_texts(const Files& base, const Json& config, const std::string& family);

// The prompt and both responses, each behind its marker as a text of its own (marked_head.h). markers [3]: ids.
Result<OrderedJson> marked_texts(const Files& base, const std::vector<std::int32_t>& markers);

}  // namespace preferd::convert
