#include "model/text/template/parser.h"

#include "model/text/template/refusal.h"

namespace preferd::text::jinja {
namespace {

constexpr int kMaxLevel = 100;

std::string described(const Token& token) {
  using Kind = Token::Kind;
  switch (token.kind) {
    case Kind::kData: return "text";
    case Kind::kBlockBegin: return "'{%'";
    case Kind::kBlockEnd: return "'%}'";
    case Kind::kVariableBegin: return "'{{'";
    case Kind::kVariableEnd: return "'}}'";
    case Kind::kString: return "a string";
    case Kind::kInteger: return "an integer";
    case Kind::kFloat: return "a float";
    case Kind::kEnd: return "the end of the template";
    case Kind::kName:
    case Kind::kOperator: return "'" + token.name + "'";
  }
  return "";
}

}  // namespace

Parser::Level::Level(Parser& parser, int line) : parser_(parser) {
  if (parser_.level_ >= kMaxLevel)
    refuse("the template nests deeper than " + std::to_string(kMaxLevel) + " levels", line);
  ++parser_.level_;
}

Body Parser::parse() {
  Body body;
  body_into(body, {});
  return body;
}

void Parser::unexpected(const std::string& expected) const {
  refuse("found " + described(current()) + ", expected " + expected, current().line);
}

bool Parser::skip_name(std::string_view name) {
  if (!is_name(name)) return false;
  take();
  return true;
}

bool Parser::skip_operator(std::string_view name) {
  if (!is_operator(name)) return false;
  take();
  return true;
}

void Parser::expect_name(std::string_view name) {
  if (!skip_name(name)) unexpected("'" + std::string(name) + "'");
}

void Parser::expect_operator(std::string_view name) {
  if (!skip_operator(name)) unexpected("'" + std::string(name) + "'");
}

const Token& Parser::expect(Kind kind) {
  if (!is(kind)) unexpected(kind == Kind::kName ? "a name" : described(Token{kind, 0, {}, {}, 0, 0}));
  return take();
}

}  // namespace preferd::text::jinja
