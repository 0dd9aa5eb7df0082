// A model's chat template with what transformers gives to every rendering: the names of special tokens, no
// tools, no documents, a fixed day.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "model/text/template/chat_template.h"
#include "model/text/tokenizer.h"

namespace preferd::text {

enum class GenerationPrompt { kNone, kAdded };

// {"role": role, "content": content}. The role counts as the template's own text.
jinja::Value turn(std::string_view role, jinja::Value content);

// Immutable; any thread.
class ChatRenderer {
 public:
  // `where` names the template in messages; `date`: YYYY-MM-DD, a day of the calendar. Errors: what the
  // template holds that is not supported.
  static Result<ChatRenderer> create(std::string_view source, std::string where, const std::string& date,
                                     const Tokenizer& tokenizer);

  // Errors: the template's own, in its words; a limit.
  Result<jinja::Rendered> render(std::vector<jinja::Value> turns, GenerationPrompt prompt) const;

 private:
  explicit ChatRenderer(jinja::ChatTemplate chat) : chat_(std::move(chat)) {}

  jinja::ChatTemplate chat_;
  jinja::RenderOptions options_;
  jinja::Bindings constants_;
};

}  // namespace preferd::text
