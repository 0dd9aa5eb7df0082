#include "model/text/chat.h"

#include "base/json.h"
#include "base/unicode.h"

namespace preferd::text {
namespace {

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

// The directory's template; empty if there is none.
Result<std::string> read_template(const Files& files) {
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
  const auto at = config->find("chat_template");
  if (at == config->end() || at->is_null()) return std::string();
  if (!at->is_string()) return invalid("tokenizer_config.json: chat_template is not a text");
  return at->get<std::string>();
}

Error unsupported(const char* family, const char* why) {
  return invalid(std::string("chat: the model directory's chat template is not the published one of ") +
                 family + " (" + why + ")");
}

bool trims(std::string_view jinja) { return has(jinja, "| trim") || has(jinja, "|trim"); }

Result<ChatWrapper> gemma(const ChatSpec& chat, const std::string& bos, std::string_view jinja) {
  if (!jinja.empty() && (!has(jinja, "<start_of_turn>") || !has(jinja, "bos_token") || !trims(jinja)))
    return unsupported("Gemma", "no <start_of_turn>, bos_token or trim");
  ChatWrapper out{bos + "<start_of_turn>user\n", "<end_of_turn>\n", Trim::kBoth};
  if (chat.system) {
    const std::string text = *chat.system + "\n\n";
    const std::string_view kept = unicode::strip_left(text);
    if (!kept.empty()) out.trim = Trim::kRight;
    out.before += kept;
  }
  if (chat.generation_prompt) out.after += "<start_of_turn>model\n";
  return out;
}

Result<ChatWrapper> llama3(const ChatSpec& chat, const std::string& bos, std::string_view jinja) {
  if (!jinja.empty() && (!has(jinja, "<|start_header_id|>") || !has(jinja, "bos_token") || !trims(jinja)))
    return unsupported("Llama-3", "no <|start_header_id|>, bos_token or trim");
  const auto header = [](const std::string& role) {
    return "<|start_header_id|>" + role + "<|end_header_id|>\n\n";
  };
  ChatWrapper out{bos, "<|eot_id|>", Trim::kBoth};
  if (chat.system) out.before += header("system").append(unicode::strip(*chat.system)) + "<|eot_id|>";
  out.before += header("user");
  const bool always = !jinja.empty() && !has(jinja, "add_generation_prompt");
  if (chat.generation_prompt || always) out.after += header("assistant");
  return out;
}

// The text of the system turn that a template writes by itself, if it does: a literal from <|im_start|>system
// to <|im_end|> with no Jinja in between.
std::optional<std::string> default_system(std::string_view jinja) {
  for (const std::string_view begin : {"<|im_start|>system\\n", "<|im_start|>system\n"}) {
    for (std::size_t at = jinja.find(begin); at != std::string_view::npos; at = jinja.find(begin, at + 1)) {
      const std::string_view rest = jinja.substr(at + begin.size());
      const std::string_view text = rest.substr(0, rest.find("<|im_end|>"));
      const char quote = at > 0 && (jinja[at - 1] == '\'' || jinja[at - 1] == '"') ? jinja[at - 1] : '{';
      const bool literal = text.find_first_of("{}\\") == std::string_view::npos && !has(text, {&quote, 1});
      if (literal && !text.empty() && text.size() < rest.size()) return std::string(text);
    }
  }
  return std::nullopt;
}

Result<ChatWrapper> chatml(const ChatSpec& chat, std::string_view jinja) {
  if (!jinja.empty() && (!has(jinja, "<|im_start|>") || trims(jinja)))
    return unsupported("ChatML", "no <|im_start|>, or it trims");
  const auto turn = [](const std::string& role, const std::string& text) {
    return "<|im_start|>" + role + "\n" + text;
  };
  const std::optional<std::string> system = chat.system ? chat.system : default_system(jinja);
  ChatWrapper out{"", "<|im_end|>\n", Trim::kNone};
  if (system) out.before += turn("system", *system) + "<|im_end|>\n";
  out.before += turn("user", "");
  const bool always = !jinja.empty() && !has(jinja, "add_generation_prompt");
  if (chat.generation_prompt || always) out.after += turn("assistant", "");
  return out;
}

}  // namespace

bool has_chat_template(const Files& model_directory) {
  const Result<std::string> jinja = read_template(model_directory);
  return jinja && !jinja->empty();
}

Result<ChatWrapper> chat_wrapper(const ChatSpec& chat, const Tokenizer& tokenizer,
                                 const Files& model_directory) {
  const Result<std::string> jinja = read_template(model_directory);
  if (!jinja) return jinja.error();
  if (has(*jinja, "Cutting Knowledge Date") || has(*jinja, "strftime"))
    return invalid("chat: the model directory's chat template writes dates, which is not supported");
  const std::string& bos = tokenizer.bos().text;
  if (tokenizer.control("<start_of_turn>")) return gemma(chat, bos, *jinja);
  if (tokenizer.control("<|start_header_id|>")) return llama3(chat, bos, *jinja);
  if (tokenizer.control("<|im_start|>")) return chatml(chat, *jinja);
  return invalid("chat: this tokenizer has no chat template of a supported family (Gemma, Llama-3, ChatML)");
}

}  // namespace preferd::text
