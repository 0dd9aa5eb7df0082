#include "model/text/template/scope.h"

#include "model/text/template/filters.h"
#include "model/text/template/refusal.h"
#include "model/text/template/symbols.h"
#include "model/text/template/tests.h"
#include "model/text/template/walk.h"

namespace preferd::text::jinja {
namespace {

// What the statements of a frame load and store, without going into the frames inside of it.
class Analysis {
 public:
  explicit Analysis(Symbols& symbols) : symbols_(&symbols) {}

  void body(const Body& statements) {
    for (const auto& statement : statements) visit(*statement);
  }

  void loads(const ExprPtr& expr) {
    if (expr)
      each_name(*expr, [&](const Expr& name) {
        if (!name.stores) symbols_->load(name.name);
      });
  }

  void stores(const Expr& target) {
    each_name(target, [&](const Expr& name) {
      if (name.kind == Expr::Kind::kMember)
        symbols_->load(name.name);
      else
        symbols_->store(name.name);
    });
  }

  void parameters(const Expr& target) {
    each_name(target, [&](const Expr& name) { symbols_->declare_parameter(name.name); });
  }

  void callee(const Callee& callee) {
    for (const std::string& name : callee.parameters) symbols_->declare_parameter(name);
    for (const ExprPtr& value : callee.defaults) loads(value);
    body(callee.body);
  }

 private:
  void visit(const Stmt& node) {
    for (const ExprPtr& part : node.parts) loads(part);
    switch (node.kind) {
      case Stmt::Kind::kIf: return branches(node);
      case Stmt::Kind::kSet:
      case Stmt::Kind::kSetBlock: return stores(*node.target);
      case Stmt::Kind::kMacro: return symbols_->store(node.name);
      case Stmt::Kind::kFilterBlock: return loads(node.filter);
      default: return;
    }
  }

  Symbols branch(const Symbols& before, const auto& visit_it) {
    Symbols copy = before;
    Symbols* const outer = std::exchange(symbols_, &copy);
    visit_it();
    symbols_ = outer;
    return copy;
  }

  void branches(const Stmt& node) {
    loads(node.branches[0].test);
    const Symbols before = *symbols_;
    const bool has_else = !node.branches.back().test;
    const std::size_t elifs = node.branches.size() - has_else;
    const Symbols first = branch(before, [&] { body(node.branches[0].body); });
    const Symbols middle = branch(before, [&] {
      for (std::size_t i = 1; i < elifs; ++i) {
        loads(node.branches[i].test);
        const Symbols until = *symbols_;
        const Symbols own = branch(until, [&] { body(node.branches[i].body); });
        symbols_->branch_update(own, until, until);
      }
    });
    const Symbols last = branch(before, [&] {
      if (has_else) body(node.branches.back().body);
    });
    symbols_->branch_update(first, middle, last);
  }

  Symbols* symbols_;
};

class Resolver {
 public:
  void body(Body& statements, const Symbols& frame, bool soft) {
    for (const auto& statement : statements) visit(*statement, frame, soft);
  }

 private:
  void visit(Stmt& node, const Symbols& frame, bool soft) {
    for (const ExprPtr& part : node.parts) names(part, frame, soft);
    switch (node.kind) {
      case Stmt::Kind::kIf:
        for (Branch& branch : node.branches) {
          names(branch.test, frame, true);
          body(branch.body, frame, true);
        }
        return;
      case Stmt::Kind::kFor: return loop(node, frame);
      case Stmt::Kind::kSet: return names(node.target, frame, soft);
      case Stmt::Kind::kMacro: node.slot = frame.slot(node.name, node.line); [[fallthrough]];
      case Stmt::Kind::kCallBlock:
      case Stmt::Kind::kGeneration: return function(*node.callee, frame, node.line);
      case Stmt::Kind::kWith:
      case Stmt::Kind::kSetBlock:
      case Stmt::Kind::kFilterBlock: return inner(node, frame, soft);
      default: return;
    }
  }

  void inner(Stmt& node, const Symbols& frame, bool soft) {
    Symbols own(&frame, frame.locals());
    Analysis analysis(own);
    for (const ExprPtr& target : node.targets) analysis.parameters(*target);
    analysis.body(node.body);
    if (node.kind == Stmt::Kind::kFilterBlock) analysis.loads(node.filter);
    for (const ExprPtr& target : node.targets) names(target, own, false);
    names(node.target, frame, soft);
    names(node.filter, own, false);
    node.frame = own.frame();
    body(node.body, own, false);
  }

  void loop(Stmt& node, const Symbols& frame) {
    if (stores_loop(node)) refuse("a loop cannot assign to the variable 'loop'", node.line);
    Symbols own(&frame, frame.locals());
    const bool asks = undeclared(node.body, {"loop"}).contains("loop");
    if (asks) own.declare_parameter("loop");
    Analysis analysis(own);
    analysis.parameters(*node.target);
    analysis.body(node.body);
    if (asks) node.loop_slot = own.slot("loop", node.line).index;
    names(node.target, own, false);
    node.frame = own.frame();
    body(node.body, own, false);

    Symbols otherwise(&frame, frame.locals());
    Analysis(otherwise).body(node.otherwise);
    node.otherwise_frame = otherwise.frame();
    body(node.otherwise, otherwise, false);
    if (node.test) condition(node, frame);
  }

  void condition(Stmt& node, const Symbols& frame) {
    Locals locals{frame.locals().depth + 1};
    Symbols own(&frame, locals);
    Analysis analysis(own);
    analysis.parameters(*node.test_target);
    analysis.loads(node.test);
    names(node.test_target, own, false);
    names(node.test, own, false);
    node.test_frame = own.frame();
    node.test_slots = static_cast<int>(locals.slots.size());
  }

  void function(Callee& callee, const Symbols& frame, int line) {
    Locals locals{frame.locals().depth + 1};
    Symbols own(&frame, locals);
    Analysis(own).callee(callee);
    const std::set<std::string> asked = undeclared(callee.body, {"caller", "kwargs", "varargs"});
    const auto parameter = [&](const std::string& name) {
      return std::find(callee.parameters.begin(), callee.parameters.end(), name) - callee.parameters.begin();
    };
    const auto count = static_cast<std::ptrdiff_t>(callee.parameters.size());
    const auto special = [&](const std::string& name) {
      if (!asked.contains(name) || parameter(name) < count) return -1;
      own.declare_parameter(name);
      return own.slot(name, line).index;
    };
    if (asked.contains("caller") &&
        parameter("caller") < count - static_cast<std::ptrdiff_t>(callee.defaults.size()))
      refuse("the parameter 'caller' of a macro needs a default", line);
    callee.caller_slot = special("caller");
    callee.keywords_slot = special("kwargs");
    callee.rest_slot = special("varargs");
    Analysis(own).callee(callee);
    for (const std::string& name : callee.parameters)
      callee.parameter_slots.push_back(own.slot(name, line).index);
    for (const ExprPtr& value : callee.defaults) names(value, own, false);
    callee.frame = own.frame();
    body(callee.body, own, false);
    callee.slots = static_cast<int>(locals.slots.size());
  }

  // The slots of an expression's names. `soft`: jinja2 refuses an unknown filter in here only where it is used.
  void names(const ExprPtr& expr, const Symbols& frame, bool soft) {
    if (!expr) return;
    if (expr->kind == Expr::Kind::kName || expr->kind == Expr::Kind::kMember)
      expr->slot = frame.slot(expr->name, expr->line);
    if (expr->kind == Expr::Kind::kFilter) check_filter(expr->name, expr->line, soft);
    if (expr->kind == Expr::Kind::kTest) check_test(expr->name, expr->line, soft);
    const bool within = soft || expr->kind == Expr::Kind::kConditional;
    each_child(*expr, [&](const ExprPtr& child) { names(child, frame, within); });
  }
};

}  // namespace

Tree resolved(Body body) {
  Tree tree;
  tree.body = std::move(body);
  if (undeclared(tree.body, {"self"}).contains("self")) refuse("the variable 'self' is not supported");
  Locals locals{0};
  Symbols root(nullptr, locals);
  Analysis(root).body(tree.body);
  Resolver().body(tree.body, root, false);
  tree.frame = root.frame();
  tree.slots = static_cast<int>(locals.slots.size());
  return tree;
}

}  // namespace preferd::text::jinja
