#include <utility>

#include "model/text/template/parser.h"
#include "model/text/template/refusal.h"

namespace preferd::text::jinja {
namespace {

std::unique_ptr<Stmt> statement_of(Stmt::Kind kind, int line) {
  auto node = std::make_unique<Stmt>();
  node->kind = kind;
  node->line = line;
  return node;
}

}  // namespace

void Parser::body_into(Body& body, Names ends) {
  while (!is(Kind::kEnd)) {
    if (is(Kind::kData) || is(Kind::kVariableBegin)) {
      auto output = statement_of(Stmt::Kind::kOutput, current().line);
      if (is(Kind::kData)) {
        ExprPtr data = make(Expr::Kind::kConstant, current().line);
        data->value = Text(take().text);
        output->parts.push_back(std::move(data));
      } else {
        take();
        output->parts.push_back(tuple(true, ""));
        expect(Kind::kVariableEnd);
      }
      body.push_back(std::move(output));
      continue;
    }
    expect(Kind::kBlockBegin);
    if (!is(Kind::kName)) unexpected("the name of a tag");
    for (const std::string_view end : ends)
      if (is_name(end)) return;
    body.push_back(statement(loops_ > 0));
    expect(Kind::kBlockEnd);
  }
  if (ends.size() != 0) unexpected("{% " + std::string(*(ends.end() - 1)) + " %}");
}

Body Parser::body_until(Names ends) {
  skip_operator(":");
  expect(Kind::kBlockEnd);
  Body body;
  body_into(body, ends);
  return body;
}

Body Parser::block(std::string_view end) {
  Body body = body_until({end});
  take();
  return body;
}

Body Parser::function_body(std::string_view end) {
  const int loops = std::exchange(loops_, 0);
  Body body = block(end);
  loops_ = loops;
  return body;
}

std::unique_ptr<Stmt> Parser::statement(bool in_loop) {
  const Level level(*this, current().line);
  if (is_name("if")) return if_statement();
  if (is_name("for")) return for_statement();
  if (is_name("set")) return set_statement();
  if (is_name("macro")) return macro_statement();
  if (is_name("call")) return call_statement();
  if (is_name("generation")) return generation_statement();
  if (is_name("filter")) return filter_statement();
  if (is_name("with")) return with_statement();
  if (is_name("print")) return print_statement();
  if (is_name("break") || is_name("continue")) {
    if (!in_loop) refuse("'" + current().name + "' stands outside of a loop", current().line);
    return jump_statement();
  }
  return unsupported_or_unknown();
}

std::unique_ptr<Stmt> Parser::unsupported_or_unknown() {
  const std::string& name = current().name;
  for (const std::string_view known : {"block", "extends", "include", "import", "from", "autoescape"})
    if (name == known) refuse("the tag '" + name + "' is not supported", current().line);
  refuse("unknown tag '" + name + "'", current().line);
}

std::unique_ptr<Stmt> Parser::jump_statement() {
  const Token& token = take();
  return statement_of(token.name == "break" ? Stmt::Kind::kBreak : Stmt::Kind::kContinue, token.line);
}

std::unique_ptr<Stmt> Parser::if_statement() {
  auto node = statement_of(Stmt::Kind::kIf, current().line);
  bool more = true;
  while (more) {
    Branch branch;
    branch.line = take().line;
    branch.test = tuple(false, "");
    branch.body = body_until({"elif", "else", "endif"});
    node->branches.push_back(std::move(branch));
    more = is_name("elif");
  }
  if (take().name == "else") {
    Branch branch;
    branch.line = current().line;
    branch.body = block("endif");
    node->branches.push_back(std::move(branch));
  }
  return node;
}

std::unique_ptr<Stmt> Parser::for_statement() {
  auto node = statement_of(Stmt::Kind::kFor, take().line);
  const std::size_t start = at_;
  node->target = target(false, "in");
  const std::size_t end = std::exchange(at_, start);
  node->test_target = target(false, "in");
  at_ = end;
  expect_name("in");
  node->parts.push_back(tuple(false, "recursive"));
  if (skip_name("if")) node->test = expression();
  if (is_name("recursive")) refuse("recursive loops are not supported", current().line);
  ++loops_;
  node->body = body_until({"else", "endfor"});
  --loops_;
  if (take().name == "else") node->otherwise = block("endfor");
  return node;
}

void Parser::make_target(Expr& expr) {
  expr.stores = true;
  if (expr.kind == Expr::Kind::kTuple || expr.kind == Expr::Kind::kList) {
    if (expr.kind == Expr::Kind::kList) refuse("a list cannot be assigned to", expr.line);
    for (const ExprPtr& part : expr.parts) make_target(*part);
  } else if (expr.kind != Expr::Kind::kName && expr.kind != Expr::Kind::kMember) {
    refuse("only names and attributes of namespaces can be assigned to", expr.line);
  }
}

ExprPtr Parser::target(bool members, std::string_view end) {
  ExprPtr node = make(Expr::Kind::kTuple, current().line);
  bool commas = false;
  for (;;) {
    if (!node->parts.empty()) expect_operator(",");
    if (tuple_ends(end)) break;
    node = with(std::move(node), primary(members));
    if (!is_operator(",")) break;
    commas = true;
  }
  if (node->parts.empty()) unexpected("a name to assign to");
  if (!commas) node = std::move(node->parts[0]);
  make_target(*node);
  return node;
}

std::unique_ptr<Stmt> Parser::set_statement() {
  auto node = statement_of(Stmt::Kind::kSet, take().line);
  node->target = target(true, "");
  if (skip_operator("=")) {
    node->parts.push_back(tuple(true, ""));
    return node;
  }
  node->kind = Stmt::Kind::kSetBlock;
  while (skip_operator("|")) node->filter = filter(std::move(node->filter));
  node->body = block("endset");
  return node;
}

std::unique_ptr<Stmt> Parser::with_statement() {
  auto node = statement_of(Stmt::Kind::kWith, take().line);
  while (!is(Kind::kBlockEnd)) {
    if (!node->targets.empty()) expect_operator(",");
    node->targets.push_back(target(false, ""));
    expect_operator("=");
    node->parts.push_back(expression());
  }
  node->body = block("endwith");
  return node;
}

const Token& Parser::variable_name() {
  const Token& name = expect(Kind::kName);
  for (const std::string_view constant : {"true", "false", "none", "True", "False", "None"})
    if (name.name == constant) refuse("'" + name.name + "' cannot be assigned to", name.line);
  return name;
}

void Parser::signature(Callee& callee) {
  expect_operator("(");
  while (!is_operator(")")) {
    if (!callee.parameters.empty()) expect_operator(",");
    const Token& name = variable_name();
    for (const std::string& other : callee.parameters)
      if (other == name.name) refuse("the parameter '" + name.name + "' is named twice", name.line);
    callee.parameters.push_back(name.name);
    if (skip_operator("="))
      callee.defaults.push_back(expression());
    else if (!callee.defaults.empty())
      refuse("a parameter without a default follows one with a default", name.line);
  }
  take();
}

std::unique_ptr<Stmt> Parser::macro_statement() {
  auto node = statement_of(Stmt::Kind::kMacro, take().line);
  node->callee = std::make_unique<Callee>();
  node->name = node->callee->name = variable_name().name;
  signature(*node->callee);
  node->callee->body = function_body("endmacro");
  return node;
}

std::unique_ptr<Stmt> Parser::call_statement() {
  auto node = statement_of(Stmt::Kind::kCallBlock, take().line);
  node->callee = std::make_unique<Callee>();
  if (is_operator("(")) signature(*node->callee);
  node->parts.push_back(expression());
  if (node->parts[0]->kind != Expr::Kind::kCall) refuse("a call block expects a call", node->line);
  node->callee->body = function_body("endcall");
  return node;
}

std::unique_ptr<Stmt> Parser::generation_statement() {
  auto node = statement_of(Stmt::Kind::kGeneration, take().line);
  node->callee = std::make_unique<Callee>();
  node->callee->body = function_body("endgeneration");
  return node;
}

std::unique_ptr<Stmt> Parser::filter_statement() {
  auto node = statement_of(Stmt::Kind::kFilterBlock, take().line);
  node->filter = filter(nullptr);
  while (skip_operator("|")) node->filter = filter(std::move(node->filter));
  node->body = block("endfilter");
  return node;
}

std::unique_ptr<Stmt> Parser::print_statement() {
  auto node = statement_of(Stmt::Kind::kOutput, take().line);
  while (!is(Kind::kBlockEnd)) {
    if (!node->parts.empty()) expect_operator(",");
    node->parts.push_back(expression());
  }
  return node;
}

}  // namespace preferd::text::jinja
