// Walks through trees.
#pragma once

#include <set>
#include <string>

#include "model/text/template/ast.h"

namespace preferd::text::jinja {

// The expressions directly below one, in the order in which jinja2 visits them.
template <class Take>
void each_child(const Expr& expr, const Take& take) {
  for (const ExprPtr& part : expr.parts)
    if (part) take(part);
  const CallArguments& arguments = expr.arguments;
  for (const ExprPtr& argument : arguments.positional) take(argument);
  for (const Keyword& keyword : arguments.keywords) take(keyword.value);
  if (arguments.rest) take(arguments.rest);
  if (arguments.more) take(arguments.more);
}

// Every name in an expression, members of namespaces included.
template <class Take>
void each_name(const Expr& expr, const Take& take) {
  if (expr.kind == Expr::Kind::kName || expr.kind == Expr::Kind::kMember) take(expr);
  each_child(expr, [&](const ExprPtr& child) { each_name(*child, take); });
}

// Those of the names that the statements read before they store them, however deep.
std::set<std::string> undeclared(const Body& body, std::set<std::string> names);
// Whether a loop assigns to `loop`, as its target or inside of it.
bool stores_loop(const Stmt& loop);

}  // namespace preferd::text::jinja
