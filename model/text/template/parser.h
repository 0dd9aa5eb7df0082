// Tokens to a tree, by jinja2's grammar. Precedence, loosest first:
//
//   a if b else c | or | and | not | == != < <= > >= in, "not in" | + - | ~ | * / // % | ** | unary + - |
//   .name [item] (call) | filters and tests
//
// Two things differ from Python: ** is left-associative and binds looser than a minus on its left, and a filter or a
// test, which Python has not, binds looser than unary minus and tighter than every other operator: -1|abs is 1, and
// 'a' + 'b'|upper is 'aB'.
//
// What this interpreter does not know is refused here, by name: block, extends, include, import, from, autoescape,
// recursive loops.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "model/text/template/ast.h"
#include "model/text/template/lexer.h"

namespace preferd::text::jinja {

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}
  // Throws a Refusal.
  Body parse();

 private:
  using Kind = Token::Kind;
  using Names = std::initializer_list<std::string_view>;

  // parser.cc: tokens
  const Token& current() const { return tokens_[at_]; }
  const Token& after() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
  const Token& take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool is(Kind kind) const { return current().kind == kind; }
  bool is_name(std::string_view name) const { return is(Kind::kName) && current().name == name; }
  bool is_operator(std::string_view name) const { return is(Kind::kOperator) && current().name == name; }
  bool skip_name(std::string_view name);
  bool skip_operator(std::string_view name);
  void expect_name(std::string_view name);
  void expect_operator(std::string_view name);
  const Token& expect(Kind kind);
  [[noreturn]] void unexpected(const std::string& expected) const;

  // parse_statements.cc
  Body body_until(Names ends);  // without taking the end's name
  void body_into(Body& body, Names ends);
  std::unique_ptr<Stmt> statement(bool in_loop);
  std::unique_ptr<Stmt> unsupported_or_unknown();
  std::unique_ptr<Stmt> for_statement();
  std::unique_ptr<Stmt> if_statement();
  std::unique_ptr<Stmt> set_statement();
  std::unique_ptr<Stmt> with_statement();
  std::unique_ptr<Stmt> macro_statement();
  std::unique_ptr<Stmt> call_statement();
  std::unique_ptr<Stmt> generation_statement();
  std::unique_ptr<Stmt> filter_statement();
  std::unique_ptr<Stmt> print_statement();
  std::unique_ptr<Stmt> jump_statement();
  Body block(std::string_view end);  // the body up to the end, which is taken
  Body function_body(std::string_view end);
  void signature(Callee& callee);
  const Token& variable_name();
  ExprPtr target(bool members, std::string_view end);
  void make_target(Expr& expr);

  // parse_expressions.cc
  ExprPtr expression();
  ExprPtr tuple(bool conditionals, std::string_view end);
  ExprPtr or_expression();
  ExprPtr and_expression();
  ExprPtr not_expression();
  ExprPtr comparison();
  ExprPtr sum();
  ExprPtr concatenation();
  ExprPtr product();
  ExprPtr power();
  ExprPtr unary(bool filters);
  ExprPtr primary(bool members);
  ExprPtr parenthesized();
  ExprPtr list_literal();
  ExprPtr dict_literal();
  ExprPtr string_literal();
  ExprPtr postfix(ExprPtr node);
  ExprPtr filters_and_tests(ExprPtr node);
  ExprPtr subscript(ExprPtr node);
  ExprPtr subscribed(ExprPtr node);
  ExprPtr filter(ExprPtr node);  // its name is the current token
  ExprPtr test(ExprPtr node);
  ExprPtr call(ExprPtr node);
  std::string dotted_name();
  CallArguments arguments();
  void argument(CallArguments& out);
  bool tuple_ends(std::string_view end) const;

  ExprPtr make(Expr::Kind kind, int line) const;
  // Adds parts and sees to it that no tree is too deep to walk.
  ExprPtr with(ExprPtr node, ExprPtr a, ExprPtr b = nullptr, ExprPtr c = nullptr) const;
  void deepen(Expr& node, const Expr* part) const;

  // Counts how deeply tags and expressions nest while they are parsed.
  class Level {
   public:
    Level(Parser& parser, int line);
    ~Level() { --parser_.level_; }

   private:
    Parser& parser_;
  };

  const std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int level_ = 0;
  int loops_ = 0;  // around the current tag, in its function
};

}  // namespace preferd::text::jinja
