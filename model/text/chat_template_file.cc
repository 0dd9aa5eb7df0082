#include "model/text/chat_template_file.h"

#include "base/schema.h"
#include "model/text/model_json.h"

namespace preferd::text {
namespace {

// The text of the entry that is named "default", in transformers' form of several templates.
Result<std::string> default_of(const Json& list) {
  std::string names;
  for (const Json& entry : list) {
    const Json &name = member(entry, "name"), &text = member(entry, "template");
    if (!name.is_string() || !text.is_string())
      return invalid("tokenizer_config.json: an entry of chat_template is " + describe(entry) +
                     ", expected {\"name\", \"template\"}");
    if (name == "default") return text.get<std::string>();
    names += (names.empty() ? "" : ", ") + name.get<std::string>();
  }
  return invalid("tokenizer_config.json: chat_template has the names " + names + ", expected one 'default'");
}

}  // namespace

Result<std::string> read_chat_template(const Files& files) {
  if (files.exists("chat_template.jinja")) {
    const Result<Bytes> bytes = files.open("chat_template.jinja");
    if (!bytes) return bytes.error();
    return std::string(bytes->text());
  }
  if (!files.exists("tokenizer_config.json")) return std::string();
  const Result<Bytes> bytes = files.open("tokenizer_config.json");
  if (!bytes) return bytes.error();
  const Result<Json> config = parse_json(bytes->text());
  if (!config) return invalid("tokenizer_config.json: " + config.error().what);
  const Json& found = member(*config, "chat_template");
  if (found.is_null()) return std::string();
  if (found.is_array()) return default_of(found);
  if (!found.is_string()) return invalid("tokenizer_config.json: chat_template is not a text");
  return found.get<std::string>();
}

}  // namespace preferd::text
