#include "model/text/template/walk.h"

#include <functional>

namespace preferd::text::jinja {
namespace {

// Calls take(name, is it read) for every name below a statement, in jinja2's order.
class Names {
 public:
  using Take = std::function<void(const std::string&, bool)>;
  explicit Names(Take take) : take_(std::move(take)) {}

  void body(const Body& statements) const {
    for (const auto& statement : statements) visit(*statement);
  }

  void visit(const Stmt& node) const {
    if (node.kind == Stmt::Kind::kFor) {
      expr(node.target);
      exprs(node.parts);
      body(node.body);
      body(node.otherwise);
      return expr(node.test);
    }
    expr(node.target);
    for (const Branch& branch : node.branches) {
      expr(branch.test);
      body(branch.body);
    }
    exprs(node.targets);
    exprs(node.parts);
    if (node.kind != Stmt::Kind::kFilterBlock) expr(node.filter);
    if (node.callee) {
      for (const std::string& name : node.callee->parameters) take_(name, false);
      exprs(node.callee->defaults);
      body(node.callee->body);
    }
    body(node.body);
    if (node.kind == Stmt::Kind::kFilterBlock) expr(node.filter);
  }

 private:
  void expr(const ExprPtr& tree) const {
    if (!tree) return;
    each_name(*tree, [&](const Expr& name) {
      if (name.kind == Expr::Kind::kName) take_(name.name, !name.stores);
    });
  }
  void exprs(const std::vector<ExprPtr>& trees) const {
    for (const ExprPtr& tree : trees) expr(tree);
  }

  const Take take_;
};

bool has_target_loop(const ExprPtr& target) {
  bool found = false;
  if (target)
    each_name(*target, [&](const Expr& name) {
      found = found || (name.kind == Expr::Kind::kName && name.name == "loop");
    });
  return found;
}

bool body_stores_loop(const Body& body) {
  for (const auto& node : body) {
    if (has_target_loop(node->target) || body_stores_loop(node->body) || body_stores_loop(node->otherwise))
      return true;
    if (node->callee && body_stores_loop(node->callee->body)) return true;
    for (const Branch& branch : node->branches)
      if (body_stores_loop(branch.body)) return true;
  }
  return false;
}

}  // namespace

std::set<std::string> undeclared(const Body& body, std::set<std::string> names) {
  std::set<std::string> found;
  Names([&](const std::string& name, bool read) {
    if (!names.contains(name)) return;
    if (read)
      found.insert(name);
    else
      names.erase(name);
  }).body(body);
  return found;
}

bool stores_loop(const Stmt& loop) {
  return has_target_loop(loop.target) || body_stores_loop(loop.body) || body_stores_loop(loop.otherwise);
}

}  // namespace preferd::text::jinja
