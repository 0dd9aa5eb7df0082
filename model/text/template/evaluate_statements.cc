#include "model/text/template/evaluate.h"
#include "model/text/template/loop.h"
#include "model/text/template/repr.h"
#include "model/text/template/walk.h"

namespace preferd::text::jinja {
namespace {

void assign(const Expr& target, Place& place, Value value) {
  if (target.kind == Expr::Kind::kName) {
    place.activation->at(target.slot) = std::move(value);
    return;
  }
  if (target.kind == Expr::Kind::kMember) {
    place.activation->at(target.slot).as<Namespace>()->set(place.r, target.attribute, std::move(value));
    return;
  }
  const auto items = require_iterator(place.r, value);
  std::vector<Value> values;
  while (values.size() <= target.parts.size()) {
    Value item = items->next(place.r);
    if (item.is_missing()) break;
    values.push_back(std::move(item));
  }
  if (values.size() != target.parts.size())
    refuse("a value of " + std::string(values.size() < target.parts.size() ? "fewer" : "more") + " than " +
           std::to_string(target.parts.size()) + " items is assigned to as many names");
  for (std::size_t i = 0; i < values.size(); ++i) assign(*target.parts[i], place, std::move(values[i]));
}

void check_members(const Expr& target, Place& place) {
  each_name(target, [&](const Expr& name) {
    if (name.kind == Expr::Kind::kMember && !place.activation->at(name.slot).as<Namespace>())
      refuse("'" + name.name + "' is no namespace, so its attributes cannot be assigned to", name.line);
  });
}

Flow branches(const Stmt& node, Place& place, TextBuilder& out) {
  for (const Branch& branch : node.branches)
    if (!branch.test || truth(place.r, evaluate(*branch.test, place))) return run(branch.body, place, out);
  return Flow::kNormal;
}

// The items of a loop that its condition lets through, found as they are asked for.
std::shared_ptr<Iterator> filtered(const Stmt& node, Place& place, std::shared_ptr<Iterator> items) {
  auto own = std::make_shared<Activation>(place.activation, node.test_slots);
  place.r.keep(own);
  const int depth = items->depth;
  const Value made = generator(place.r, depth, [&node, place, own, items](Rendering& r) {
    Place inside{r, place.names, own};
    enter(node.test_frame, inside);
    for (Value item = items->next(r); !item.is_missing(); item = items->next(r)) {
      assign(*node.test_target, inside, item);
      if (truth(r, evaluate(*node.test, inside))) return item;
    }
    return Value();
  });
  return made.as<Iterator>();
}

Flow for_loop(const Stmt& node, Place& place, TextBuilder& out) {
  Value iterable = evaluate(*node.parts[0], place);
  std::shared_ptr<Iterator> items = require_iterator(place.r, iterable);
  if (node.test) {
    items = filtered(node, place, items);
    iterable = items;
  }
  std::shared_ptr<Loop> loop;
  if (node.loop_slot >= 0) {
    loop = std::make_shared<Loop>(iterable, items);
    place.r.keep(loop);
  }
  bool completed = false;
  for (;;) {
    place.r.line = node.line;
    Value item = loop ? loop->next(place.r) : items->next(place.r);
    if (item.is_missing()) break;
    assign(*node.target, place, std::move(item));
    if (loop) place.activation->at({0, node.loop_slot}) = loop;
    enter(node.frame, place);
    const Flow flow = run(node.body, place, out);
    if (flow == Flow::kBreak) break;
    completed = completed || flow == Flow::kNormal;
  }
  leave(node.frame, place);
  if (completed || node.otherwise.empty()) return Flow::kNormal;
  enter(node.otherwise_frame, place);
  const Flow flow = run(node.otherwise, place, out);
  leave(node.otherwise_frame, place);
  return flow;
}

// Blocks write their value as it is, and only text can be written.
void write_text(const Place& place, TextBuilder& out, const Value& value) {
  if (!value.is_text())
    refuse(std::string("a block gives a value of type ") + value.type_name() + ", expected text");
  out.add(str(place.r, value));
}

Value text_or_filtered(const Stmt& node, Place& place, TextBuilder& captured) {
  Value text = captured.done();
  return node.filter ? evaluate_filter(*node.filter, place, text) : text;
}

Flow captured(const Stmt& node, Place& place, TextBuilder& out) {
  if (node.kind == Stmt::Kind::kSetBlock) check_members(*node.target, place);
  TextBuilder text(place.r);
  enter(node.frame, place);
  const Flow flow = run(node.body, place, text);
  if (flow != Flow::kNormal) return flow;
  Value value = text_or_filtered(node, place, text);
  if (node.kind == Stmt::Kind::kSetBlock)
    assign(*node.target, place, std::move(value));
  else
    write_text(place, out, value);
  leave(node.frame, place);
  return Flow::kNormal;
}

Flow with_block(const Stmt& node, Place& place, TextBuilder& out) {
  enter(node.frame, place);
  for (std::size_t i = 0; i < node.targets.size(); ++i)
    assign(*node.targets[i], place, evaluate(*node.parts[i], place));
  const Flow flow = run(node.body, place, out);
  if (flow == Flow::kNormal) leave(node.frame, place);
  return flow;
}

void set(const Stmt& node, Place& place) {
  check_members(*node.target, place);
  assign(*node.target, place, evaluate(*node.parts[0], place));
}

Flow run_one(const Stmt& node, Place& place, TextBuilder& out) {
  place.r.spend(1);
  place.r.line = node.line;
  switch (node.kind) {
    case Stmt::Kind::kOutput:
      for (const ExprPtr& part : node.parts) out.add(str(place.r, evaluate(*part, place)));
      return Flow::kNormal;
    case Stmt::Kind::kIf: return branches(node, place, out);
    case Stmt::Kind::kFor: return for_loop(node, place, out);
    case Stmt::Kind::kSet: set(node, place); return Flow::kNormal;
    case Stmt::Kind::kSetBlock:
    case Stmt::Kind::kFilterBlock: return captured(node, place, out);
    case Stmt::Kind::kMacro:
      place.activation->at(node.slot) = make_macro(*node.callee, place);
      return Flow::kNormal;
    case Stmt::Kind::kCallBlock:
      write_text(place, out, call_with_caller(*node.parts[0], place, make_macro(*node.callee, place)));
      return Flow::kNormal;
    case Stmt::Kind::kGeneration:
      out.add(str(place.r, make_macro(*node.callee, place)->call(place.r, {})));
      return Flow::kNormal;
    case Stmt::Kind::kWith: return with_block(node, place, out);
    case Stmt::Kind::kBreak: return Flow::kBreak;
    case Stmt::Kind::kContinue: return Flow::kContinue;
  }
  return Flow::kNormal;
}

}  // namespace

void enter(const Frame& frame, Place& place) {
  for (const Entry& entry : frame) {
    Value& variable = place.activation->at({0, entry.index});
    switch (entry.action) {
      case Entry::Action::kResolve: variable = place.names.resolve(entry.name); break;
      case Entry::Action::kAlias: variable = Value(place.activation->at(entry.from)); break;
      case Entry::Action::kMissing: variable = Value(); break;
      case Entry::Action::kParameter: break;
    }
  }
}

void leave(const Frame& frame, Place& place) {
  for (const Entry& entry : frame) place.activation->at({0, entry.index}) = Value();
}

Flow run(const Body& body, Place& place, TextBuilder& out) {
  const Nesting nesting(place.r);
  for (const auto& node : body)
    if (const Flow flow = run_one(*node, place, out); flow != Flow::kNormal) return flow;
  return Flow::kNormal;
}

}  // namespace preferd::text::jinja
