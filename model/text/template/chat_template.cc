#include "model/text/template/chat_template.h"

#include "base/utf8.h"
#include "model/text/template/evaluate.h"
#include "model/text/template/globals.h"
#include "model/text/template/lexer.h"
#include "model/text/template/parser.h"
#include "model/text/template/scope.h"

namespace preferd::text::jinja {
namespace {

constexpr std::size_t kMaxSource = std::size_t{1} << 20;

Error error_of(const Refusal& refusal, const std::string& where, int line) {
  const int at = refusal.line > 0 ? refusal.line : line;
  return {refusal.code, where + (at > 0 ? ", line " + std::to_string(at) : "") + ": " + refusal.what, {}};
}

class BoundNames : public Names {
 public:
  explicit BoundNames(const Bindings& variables) : variables_(variables) {}
  Value resolve(const std::string& name) const override {
    const auto found = variables_.find(name);
    return found != variables_.end() ? found->second : global(name);
  }

 private:
  const Bindings& variables_;
};

Rendered spans_of(const Text& text, std::size_t max_bytes) {
  Rendered out;
  std::size_t begin = 0, bytes = 0;
  for (const Text::Part& part : text.parts()) {
    out.spans.push_back({to_utf8(text.chars().substr(begin, part.end - begin)), part.source});
    bytes += out.spans.back().text.size();
    begin = part.end;
  }
  if (bytes > max_bytes)
    throw Refusal{
        Code::kTooLarge,
        "the result has " + std::to_string(bytes) + " bytes, the limit is " + std::to_string(max_bytes), 0};
  return out;
}

}  // namespace

std::string Rendered::text() const {
  std::string out;
  for (const Span& span : spans) out += span.text;
  return out;
}

Result<ChatTemplate> ChatTemplate::compile(std::string_view source, std::string where) {
  try {
    if (source.size() > kMaxSource)
      refuse("the template is larger than " + std::to_string(kMaxSource) + " bytes");
    if (!utf8::valid(source)) refuse("the template is not valid UTF-8");
    auto tree = std::make_shared<Tree>(resolved(Parser(tokens_of(source)).parse()));
    return ChatTemplate(std::move(tree), std::move(where));
  } catch (const Refusal& refusal) {
    return error_of(refusal, where, 0);
  }
}

Result<Rendered> ChatTemplate::render(const Bindings& variables, const RenderOptions& options) const {
  Rendering r(options.limits, options.today);
  try {
    for (const auto& [name, value] : variables) r.check_depth(value.depth());
    const BoundNames names(variables);
    Place place{r, names, std::make_shared<Activation>(nullptr, tree_->slots)};
    r.keep(place.activation);
    enter(tree_->frame, place);
    TextBuilder out(r);
    run(tree_->body, place, out);
    return spans_of(out.take(), options.limits.output);
  } catch (const Refusal& refusal) {
    return error_of(refusal, where_, r.line);
  }
}

}  // namespace preferd::text::jinja
