// The chat template of a model directory, as transformers finds it: chat_template.jinja; otherwise
// chat_template of tokenizer_config.json, a text, or a list of {"name", "template"} whose "default" counts.
#pragma once

#include <string>

#include "base/files.h"
#include "base/result.h"

namespace preferd::text {

// Empty: there is none. Errors: tokenizer_config.json is not JSON, or its chat_template is something else.
Result<std::string> read_chat_template(const Files& model_directory);

}  // namespace preferd::text
