#include "model/text/chat_renderer.h"

namespace preferd::text {
namespace {

using jinja::Value;

Value own(std::string_view text) { return Value::string(text, jinja::kTemplate); }

}  // namespace

Value turn(std::string_view role, Value content) {
  return Value::dict({{own("role"), own(role)}, {own("content"), std::move(content)}});
}

Result<ChatRenderer> ChatRenderer::create(std::string_view source, std::string where, const std::string& date,
                                          const Tokenizer& tokenizer) {
  auto chat = jinja::ChatTemplate::compile(source, std::move(where));
  if (!chat) return chat.error();
  ChatRenderer out(std::move(*chat));
  const auto number = [&](std::size_t at, std::size_t size) { return std::stoi(date.substr(at, size)); };
  out.options_.today = {number(0, 4), number(5, 2), number(8, 2)};
  for (const auto& [key, text] : tokenizer.special_names()) out.constants_[key] = own(text);
  out.constants_["tools"] = Value::none();
  out.constants_["documents"] = Value::none();
  return out;
}

Result<jinja::Rendered> ChatRenderer::render(std::vector<Value> turns, GenerationPrompt prompt) const {
  jinja::Bindings variables = constants_;
  variables["messages"] = Value::list(std::move(turns));
  variables["add_generation_prompt"] = Value::boolean(prompt == GenerationPrompt::kAdded);
  return chat_.render(variables, options_);
}

}  // namespace preferd::text
