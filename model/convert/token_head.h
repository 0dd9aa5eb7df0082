// A reward that is a logit of a language model: rows of its LM head as a head of their own.
#pragma once

#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "model/convert/published_head.h"

namespace preferd::convert {

// One token: its logit behind the text. Two: the logit of the first less that of the second, the log of their
// odds. Errors: a text that is no single token; an LM head that is quantized, has a bias or a cap on its logits.
Result<PublishedHead> token_head(const Files& base, const std::vector<std::string>& tokens);

}  // namespace preferd::convert
