#include "model/text/chat.h"

#include "base/unicode.h"
#include "model/text/chat_renderer.h"
#include "model/text/chat_template_file.h"

namespace preferd::text {
namespace {

using jinja::Value;

PartText guarded(std::string_view text) { return {text, kTemplateOwner, Guard::kNeverCut, true}; }

enum class Trim { kNone, kRight, kBoth };

// A family's turns as they are written down in the header.
struct WrittenWrapper : ChatWrapper {
  std::string before, after;
  Trim trim = Trim::kNone;  // what happens to the white space of the whole body

  Result<std::vector<PartText>> wrap(std::vector<PartText> body, std::vector<std::string>&) const override {
    if (trim == Trim::kBoth)
      for (PartText& part : body) {
        part.text = unicode::strip_left(part.text);
        if (!part.text.empty()) break;
      }
    if (trim != Trim::kNone)
      for (std::size_t i = body.size(); i-- > 0;) {
        body[i].text = unicode::strip_right(body[i].text);
        if (!body[i].text.empty()) break;
      }
    body.insert(body.begin(), guarded(before));
    body.push_back(guarded(after));
    return body;
  }
};

std::unique_ptr<const ChatWrapper> written(std::string before, std::string after, Trim trim) {
  auto wrapper = std::make_unique<WrittenWrapper>();
  wrapper->before = std::move(before);
  wrapper->after = std::move(after);
  wrapper->trim = trim;
  return wrapper;
}

std::unique_ptr<const ChatWrapper> gemma(const ChatSpec& chat, const std::string& bos) {
  std::string before = bos + "<start_of_turn>user\n";
  Trim trim = Trim::kBoth;
  if (chat.system) {
    const std::string text = *chat.system + "\n\n";
    const std::string_view kept = unicode::strip_left(text);
    if (!kept.empty()) trim = Trim::kRight;
    before += kept;
  }
  return written(before,
                 std::string("<end_of_turn>\n") + (chat.generation_prompt ? "<start_of_turn>model\n" : ""),
                 trim);
}

std::unique_ptr<const ChatWrapper> llama3(const ChatSpec& chat, const std::string& bos) {
  const auto header = [](const std::string& role) {
    return "<|start_header_id|>" + role + "<|end_header_id|>\n\n";
  };
  std::string before = bos;
  if (chat.system) before += header("system").append(unicode::strip(*chat.system)) + "<|eot_id|>";
  return written(before + header("user"), "<|eot_id|>" + (chat.generation_prompt ? header("assistant") : ""),
                 Trim::kBoth);
}

std::unique_ptr<const ChatWrapper> chatml(const ChatSpec& chat) {
  const auto begin = [](const std::string& role) { return "<|im_start|>" + role + "\n"; };
  std::string before;
  if (chat.system) before += begin("system") + *chat.system + "<|im_end|>\n";
  return written(before + begin("user"), "<|im_end|>\n" + (chat.generation_prompt ? begin("assistant") : ""),
                 Trim::kNone);
}

// The directory's template, executed for every body.
class ExecutedWrapper : public ChatWrapper {
 public:
  ExecutedWrapper(const ChatSpec& chat, ChatRenderer renderer)
      : chat_(chat), renderer_(std::move(renderer)) {}

  // Finds out whether the template takes a system turn.
  Status prepare() {
    if (chat_.system && !render(jinja::Text::from_utf8("x", 1))) system_ = System::kInContent;
    if (const auto rendered = render(jinja::Text::from_utf8("x", 1)); !rendered) return rendered.error();
    return Ok{};
  }

  // Parts are numbered from 1 on.
  Result<std::vector<PartText>> wrap(std::vector<PartText> body,
                                     std::vector<std::string>& keep) const override {
    jinja::Text content;
    for (std::size_t i = 0; i < body.size(); ++i)
      content.append(jinja::Text::from_utf8(body[i].text, static_cast<jinja::Source>(i + 1)));
    auto rendered = render(std::move(content));
    if (!rendered) return rendered.error();
    std::vector<PartText> out;
    keep.reserve(keep.size() + rendered->spans.size());
    for (jinja::Span& span : rendered->spans) {
      PartText part = span.source == jinja::kTemplate ? guarded({}) : body[span.source - 1];
      part.text = keep.emplace_back(std::move(span.text));
      out.push_back(part);
    }
    return out;
  }

 private:
  enum class System { kTurn, kInContent };

  Result<jinja::Rendered> render(jinja::Text content) const {
    std::vector<Value> turns;
    if (chat_.system && system_ == System::kTurn)
      turns.push_back(turn("system", Value::string(*chat_.system, jinja::kTemplate)));
    if (chat_.system && system_ == System::kInContent) {
      jinja::Text whole = jinja::Text::from_utf8(*chat_.system + "\n\n");
      whole.append(content);
      content = std::move(whole);
    }
    turns.push_back(turn("user", Value(std::move(content))));
    return renderer_.render(std::move(turns),
                            chat_.generation_prompt ? GenerationPrompt::kAdded : GenerationPrompt::kNone);
  }

  const ChatSpec chat_;
  const ChatRenderer renderer_;
  System system_ = System::kTurn;
};

}  // namespace

bool has_chat_template(const Files& model_directory) {
  const Result<std::string> jinja = read_chat_template(model_directory);
  return jinja && !jinja->empty();
}

Result<std::unique_ptr<const ChatWrapper>> chat_wrapper(const ChatSpec& chat, const Tokenizer& tokenizer,
                                                        const Files& model_directory) {
  const Result<std::string> jinja = read_chat_template(model_directory);
  if (!jinja) return jinja.error();
  if (!jinja->empty()) {
    auto renderer = ChatRenderer::create(*jinja, "chat: the model directory's chat template",
                                         ConversationSpec().date, tokenizer);
    if (!renderer) return renderer.error();
    auto wrapper = std::make_unique<ExecutedWrapper>(chat, std::move(*renderer));
    if (const Status s = wrapper->prepare(); !s) return s.error();
    return std::unique_ptr<const ChatWrapper>(std::move(wrapper));
  }
  const std::string& bos = tokenizer.bos().text;
  if (tokenizer.control("<start_of_turn>")) return gemma(chat, bos);
  if (tokenizer.control("<|start_header_id|>")) return llama3(chat, bos);
  if (tokenizer.control("<|im_start|>")) return chatml(chat);
  return invalid("chat: this tokenizer has no chat template of a supported family (Gemma, Llama-3, ChatML)");
}

}  // namespace preferd::text
