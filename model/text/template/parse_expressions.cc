#include "model/text/template/parser.h"
#include "model/text/template/refusal.h"

namespace preferd::text::jinja {
namespace {

constexpr int kMaxDepth = 400;

bool one_of(const Token& token, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names)
    if (token.name == name) return true;
  return false;
}

}  // namespace

ExprPtr Parser::make(Expr::Kind kind, int line) const {
  auto node = std::make_unique<Expr>();
  node->kind = kind;
  node->line = line;
  return node;
}

void Parser::deepen(Expr& node, const Expr* part) const {
  if (part == nullptr) return;
  node.depth = std::max(node.depth, part->depth + 1);
  if (node.depth > kMaxDepth)
    refuse("an expression nests deeper than " + std::to_string(kMaxDepth) + " levels", node.line);
}

ExprPtr Parser::with(ExprPtr node, ExprPtr a, ExprPtr b, ExprPtr c) const {
  for (ExprPtr* part : {&a, &b, &c}) {
    if (!*part) continue;
    deepen(*node, part->get());
    node->parts.push_back(std::move(*part));
  }
  return node;
}

ExprPtr Parser::expression() {
  const Level level(*this, current().line);
  int line = current().line;
  ExprPtr node = or_expression();
  while (skip_name("if")) {
    ExprPtr condition = or_expression();
    ExprPtr otherwise = skip_name("else") ? expression() : nullptr;
    node = with(make(Expr::Kind::kConditional, line), std::move(condition), std::move(node),
                std::move(otherwise));
    line = current().line;
  }
  return node;
}

ExprPtr Parser::or_expression() {
  ExprPtr left = and_expression();
  while (is_name("or")) {
    const int line = take().line;
    left = with(make(Expr::Kind::kOr, line), std::move(left), and_expression());
  }
  return left;
}

ExprPtr Parser::and_expression() {
  ExprPtr left = not_expression();
  while (is_name("and")) {
    const int line = take().line;
    left = with(make(Expr::Kind::kAnd, line), std::move(left), not_expression());
  }
  return left;
}

ExprPtr Parser::not_expression() {
  if (!is_name("not")) return comparison();
  const int line = take().line;
  const Level level(*this, line);
  return with(make(Expr::Kind::kNot, line), not_expression());
}

ExprPtr Parser::comparison() {
  ExprPtr first = sum();
  ExprPtr node;
  for (;;) {
    std::string name;
    if (is(Kind::kOperator) && one_of(current(), {"==", "!=", "<", "<=", ">", ">="}))
      name = current().name;
    else if (is_name("in"))
      name = "in";
    else if (is_name("not") && after().kind == Kind::kName && after().name == "in")
      name = "not in";
    if (name.empty()) break;
    if (!node) node = with(make(Expr::Kind::kCompare, current().line), std::move(first));
    take();
    if (name == "not in") take();
    node = with(std::move(node), sum());
    node->operators.push_back(name);
  }
  return node ? std::move(node) : std::move(first);
}

ExprPtr Parser::sum() {
  ExprPtr left = concatenation();
  while (is(Kind::kOperator) && one_of(current(), {"+", "-"})) {
    ExprPtr node = make(Expr::Kind::kBinary, current().line);
    node->name = take().name;
    left = with(std::move(node), std::move(left), concatenation());
  }
  return left;
}

ExprPtr Parser::concatenation() {
  ExprPtr first = product();
  if (!is_operator("~")) return first;
  ExprPtr node = with(make(Expr::Kind::kConcat, current().line), std::move(first));
  while (skip_operator("~")) node = with(std::move(node), product());
  return node;
}

ExprPtr Parser::product() {
  ExprPtr left = power();
  while (is(Kind::kOperator) && one_of(current(), {"*", "/", "//", "%"})) {
    ExprPtr node = make(Expr::Kind::kBinary, current().line);
    node->name = take().name;
    left = with(std::move(node), std::move(left), power());
  }
  return left;
}

ExprPtr Parser::power() {
  ExprPtr left = unary(true);
  while (is_operator("**")) {
    ExprPtr node = make(Expr::Kind::kBinary, current().line);
    node->name = take().name;
    left = with(std::move(node), std::move(left), unary(true));
  }
  return left;
}

ExprPtr Parser::unary(bool filters) {
  const Level level(*this, current().line);
  ExprPtr node;
  if (is_operator("-") || is_operator("+")) {
    const bool negative = is_operator("-");
    const int line = take().line;
    node = with(make(negative ? Expr::Kind::kNegative : Expr::Kind::kPositive, line), unary(false));
  } else {
    node = primary(false);
  }
  node = postfix(std::move(node));
  return filters ? filters_and_tests(std::move(node)) : std::move(node);
}

ExprPtr Parser::primary(bool members) {
  const Token& token = current();
  if (is(Kind::kString)) return string_literal();
  if (is_operator("(")) return parenthesized();
  if (is_operator("[")) return list_literal();
  if (is_operator("{")) return dict_literal();
  if (!is(Kind::kName) && !is(Kind::kInteger) && !is(Kind::kFloat)) unexpected("an expression");
  take();
  ExprPtr node = make(Expr::Kind::kConstant, token.line);
  if (token.kind == Kind::kInteger) {
    node->value = Value::integer(token.integer);
  } else if (token.kind == Kind::kFloat) {
    node->value = Value::number(token.number);
  } else if (one_of(token, {"true", "True", "false", "False"})) {
    node->value = Value::boolean(token.name == "true" || token.name == "True");
  } else if (one_of(token, {"none", "None"})) {
    node->value = Value::none();
  } else {
    node->kind = Expr::Kind::kName;
    node->name = token.name;
    if (members && skip_operator(".")) {
      node->kind = Expr::Kind::kMember;
      node->attribute = expect(Kind::kName).name;
    }
  }
  return node;
}

ExprPtr Parser::string_literal() {
  ExprPtr node = make(Expr::Kind::kConstant, current().line);
  std::u32string text;
  while (is(Kind::kString)) text += take().text;
  node->value = Text(text);
  return node;
}

ExprPtr Parser::parenthesized() {
  const Level level(*this, take().line);
  ExprPtr node = tuple(true, ")");
  expect_operator(")");
  return node;
}

bool Parser::tuple_ends(std::string_view end) const {
  return is(Kind::kVariableEnd) || is(Kind::kBlockEnd) || is_operator(")") || (end != ")" && is_name(end));
}

ExprPtr Parser::tuple(bool conditionals, std::string_view end) {
  ExprPtr node = make(Expr::Kind::kTuple, current().line);
  bool commas = false;
  for (;;) {
    if (!node->parts.empty()) expect_operator(",");
    if (tuple_ends(end)) break;
    node = with(std::move(node), conditionals ? expression() : or_expression());
    if (!is_operator(",")) break;
    commas = true;
  }
  if (commas) return node;
  if (!node->parts.empty()) return std::move(node->parts[0]);
  if (end != ")") unexpected("an expression");
  return node;
}

ExprPtr Parser::list_literal() {
  ExprPtr node = make(Expr::Kind::kList, take().line);
  while (!is_operator("]")) {
    if (!node->parts.empty()) expect_operator(",");
    if (is_operator("]")) break;
    node = with(std::move(node), expression());
  }
  take();
  return node;
}

ExprPtr Parser::dict_literal() {
  ExprPtr node = make(Expr::Kind::kDict, take().line);
  while (!is_operator("}")) {
    if (!node->parts.empty()) expect_operator(",");
    if (is_operator("}")) break;
    ExprPtr key = expression();
    expect_operator(":");
    node = with(std::move(node), std::move(key), expression());
  }
  take();
  return node;
}

}  // namespace preferd::text::jinja
