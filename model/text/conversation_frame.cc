// A conversation: the prompt's turns and the response as the assistant's last, in the words of the model's own
// chat template, which runs for every sequence.
//
// Contents come from data, so that they never make control tokens, whatever the template does to them. Roles
// are one of three words and count as the template's own text: many templates make control tokens of them. A
// BOS that the tokenizer adds by itself stands once: where the template writes it, nothing is added.
#include "model/text/chat_renderer.h"
#include "model/text/frame.h"

namespace preferd::text {
namespace {

using jinja::Value;

class ConversationFrame : public Frame {
 public:
  ConversationFrame(const Tokenizer& tokenizer, ChatRenderer chat)
      : tokenizer_(tokenizer), chat_(std::move(chat)) {}

  // Contents are numbered from 1 on: the pieces of the prompt, then the response.
  Result<Composed> compose(std::span<const Field> fields, std::span<const std::string> roles) const override {
    jinja::Source source = 0;
    std::vector<Value> turns;
    for (std::size_t i = 0; i < fields[0].size(); ++i)
      turns.push_back(turn(roles.empty() ? "user" : roles[i], Value::string(fields[0][i], ++source)));
    const jinja::Source last_of_prompt = source;
    turns.push_back(turn("assistant", Value::string(fields[1].front(), ++source)));
    const auto rendered = chat_.render(std::move(turns), GenerationPrompt::kNone);
    if (!rendered) return rendered.error();
    std::vector<PartText> parts;
    for (const jinja::Span& span : rendered->spans) {
      const bool own = span.source == jinja::kTemplate;
      const Owner owner = own ? kTemplateOwner : span.source <= last_of_prompt ? Owner{0} : Owner{1};
      parts.push_back({span.text, owner, Guard::kFree, own});
    }
    Composed out = text::compose(parts, tokenizer_, Joining::kJoined);
    add_front(out);
    return out;
  }

 private:
  // What the tokenizer puts before a text, unless the template has written it.
  void add_front(Composed& sequence) const {
    const std::vector<std::int32_t>& front = tokenizer_.post_processor()->one.front;
    auto& tokens = sequence.tokens;
    bool written = tokens.size() >= front.size();
    for (std::size_t i = 0; written && i < front.size(); ++i) written = tokens[i].id == front[i];
    if (written) return;
    std::vector<OwnedToken> added;
    for (const std::int32_t id : front) added.push_back({id, 0, 0, kTemplateOwner, Guard::kNeverCut, true});
    tokens.insert(tokens.begin(), added.begin(), added.end());
  }

  const Tokenizer& tokenizer_;
  const ChatRenderer chat_;
};

}  // namespace

Result<std::unique_ptr<const Frame>> make_conversation_frame(const InputSpec& spec,
                                                             const Tokenizer& tokenizer) {
  const ConversationSpec& conversation = *spec.conversation;
  auto chat = ChatRenderer::create(conversation.source, conversation.file, conversation.date, tokenizer);
  if (!chat) return chat.error();
  if (const auto& added = tokenizer.post_processor(); !added) return added.error();
  return std::unique_ptr<const Frame>(std::make_unique<ConversationFrame>(tokenizer, std::move(*chat)));
}

}  // namespace preferd::text
