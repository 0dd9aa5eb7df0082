// Walks a resolved tree: statements write text, expressions give values.
#pragma once

#include <memory>
#include <vector>

#include "model/text/template/ast.h"
#include "model/text/template/objects.h"

namespace preferd::text::jinja {

// The variables of one call of a function. Macros made in it keep it, as closures do.
class Activation : public Object {
 public:
  Activation(std::shared_ptr<Activation> outer, int count)
      : parent(std::move(outer)), slots(static_cast<std::size_t>(count)) {}
  const char* type_name() const override { return "frame"; }
  void clear() override {
    slots.clear();
    parent.reset();
  }
  Value& at(Slot slot) {
    Activation* activation = this;
    for (int i = 0; i < slot.hops; ++i) activation = activation->parent.get();
    return activation->slots[static_cast<std::size_t>(slot.index)];
  }

  std::shared_ptr<Activation> parent;
  std::vector<Value> slots;
};

// What a frame resolves a name to: the caller's variable, or a global; missing if there is neither.
class Names {
 public:
  virtual ~Names() = default;
  virtual Value resolve(const std::string& name) const = 0;
};

// Where evaluation is: shared by everything within one function.
struct Place {
  Rendering& r;
  const Names& names;
  std::shared_ptr<Activation> activation;
};

class Macro : public Object {
 public:
  Macro(const Callee& callee, Place where) : callee_(callee), where_(std::move(where)) {}
  const char* type_name() const override { return "Macro"; }
  bool callable() const override { return true; }
  Value call(Rendering& r, Arguments arguments) override;
  Value attribute(Rendering& r, std::string_view name) override;
  Text repr(Rendering& r) override;
  void clear() override { where_.activation.reset(); }

 private:
  void pass(Rendering& r, Activation& to, Arguments arguments) const;

  const Callee& callee_;
  Place where_;
};

enum class Flow { kNormal, kBreak, kContinue };

// evaluate_statements.cc
Flow run(const Body& body, Place& place, TextBuilder& out);
void enter(const Frame& frame, Place& place);
void leave(const Frame& frame, Place& place);
std::shared_ptr<Macro> make_macro(const Callee& callee, const Place& place);

// evaluate.cc
Value evaluate(const Expr& expr, Place& place);
Arguments evaluate(const CallArguments& arguments, Place& place);
// A filter of a block, whose innermost input is the text of the block.
Value evaluate_filter(const Expr& filter, Place& place, const Value& block);
Value call_with_caller(const Expr& call, Place& place, Value caller);

// Counts a level of nesting while it lives; refuses one too many.
class Nesting {
 public:
  explicit Nesting(Rendering& r) : r_(r) {
    if (r.nesting >= r.limits().nesting) refuse_depth();
    ++r.nesting;
  }
  ~Nesting() { --r_.nesting; }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;

 private:
  [[noreturn]] void refuse_depth() const;
  Rendering& r_;
};

}  // namespace preferd::text::jinja
