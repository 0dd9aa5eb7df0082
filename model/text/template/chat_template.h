// The chat templates of Hugging Face: a Jinja interpreter that keeps apart what the template writes and what the data
// says, so that no content of a user becomes a control token.
//
//   Result<ChatTemplate> chat = ChatTemplate::compile(source, "model/chat_template.jinja");
//   const Value messages = Value::list({Value::dict({{key("role"), Value::string("user", kTemplate)},
//                                                    {key("content"), Value::string(text, 1)}})});
//   Result<Rendered> out = chat->render({{"messages", messages}, {"add_generation_prompt", Value::boolean(true)}});
//   for (const Span& span : out->spans) ...   // span.source is 0 (the template) or 1 (the content above)
//
// Semantics are jinja2's (3.1) with transformers' settings: an immutable sandbox, trim_blocks, lstrip_blocks, no
// autoescape, the tags break, continue and generation, the filter tojson without HTML escaping, and the functions
// raise_exception and strftime_now. Text is Python's, code point by code point. What is not supported is refused by
// name, when the template is compiled where that is possible; nothing is rendered differently in silence.
//
// Not supported: block, extends, include, import, from, autoescape, recursive loops; the filters filesizeformat, pprint,
// random, striptags, urlencode, urlize, wordwrap, xmlattr; lipsum; integers beyond 64 bits; floats that are not numbers;
// names outside of ASCII; what Python would print as an address in memory.
//
// How it works, in the order of the files: lexer.h cuts the source into tokens, parser.h makes a tree (ast.h), scope.h
// finds the variable behind each name, evaluate.h walks the tree. Values are in value.h, texts with sources in text.h,
// limits in rendering.h; filters.h, tests.h, methods.h and globals.h hold what templates call.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/text/template/rendering.h"
#include "model/text/template/value.h"

namespace preferd::text::jinja {

struct Tree;

// Consecutive text of one source.
struct Span {
  std::string text;
  Source source = kTemplate;
  bool operator==(const Span&) const = default;
};

struct Rendered {
  std::vector<Span> spans;  // neighbours differ in their source; none is empty
  std::string text() const;
};

using Bindings = std::map<std::string, Value>;

struct RenderOptions {
  Limits limits;
  Date today;  // what strftime_now() formats
};

// A compiled template. Immutable: any number of threads may render it at once.
class ChatTemplate {
 public:
  // `where` names the template in errors. Errors are kInvalid, one sentence: "chat_template.jinja, line 3: ...".
  static Result<ChatTemplate> compile(std::string_view source, std::string where);

  // Errors: kInvalid (the template refuses its input, or uses it in a way that Python refuses), kTooLarge and kDeadline
  // (a limit). Requires strings in valid UTF-8 and dates of the calendar.
  Result<Rendered> render(const Bindings& variables, const RenderOptions& options = {}) const;

 private:
  ChatTemplate(std::shared_ptr<const Tree> tree, std::string where)
      : tree_(std::move(tree)), where_(std::move(where)) {}

  std::shared_ptr<const Tree> tree_;
  std::string where_;
};

}  // namespace preferd::text::jinja
