// The template's source as tokens, by jinja2's rules with trim_blocks and lstrip_blocks, and without the last newline.
//
// Outside of tags everything is data. Three things take white space from data:
//   '-' inside a delimiter ("{%-", "-}}") takes all of it on that side;
//   the newline right after a block or a comment goes (trim_blocks), unless the tag ends in "+%}";
//   spaces between the start of a line and a block or a comment go (lstrip_blocks), unless it starts with "{%+".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace preferd::text::jinja {

struct Token {
  enum class Kind {
    kData,           // text between tags
    kBlockBegin,     // {%
    kBlockEnd,       // %}
    kVariableBegin,  // {{
    kVariableEnd,    // }}
    kName,
    kString,  // text: after its escapes
    kInteger,
    kFloat,
    kOperator,  // name: the operator
    kEnd,
  };
  Kind kind;
  int line;
  std::string name;     // of a name or operator
  std::u32string text;  // of data or a string
  std::int64_t integer = 0;
  double number = 0;
};

// Ends with one kEnd. Throws a Refusal.
std::vector<Token> tokens_of(std::string_view valid_utf8);

// The characters a string literal stands for, given what is between its quotes. Throws a Refusal.
std::u32string unescaped(std::u32string_view literal, int line);

}  // namespace preferd::text::jinja
