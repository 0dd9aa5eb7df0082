#include "model/text/template/evaluate.h"

#include "model/text/template/attributes.h"
#include "model/text/template/compare.h"
#include "model/text/template/filters.h"
#include "model/text/template/operators.h"
#include "model/text/template/repr.h"
#include "model/text/template/tests.h"

namespace preferd::text::jinja {
namespace {

std::vector<Value> values_of(const std::vector<ExprPtr>& parts, Place& place) {
  std::vector<Value> values;
  values.reserve(parts.size());
  for (const ExprPtr& part : parts) values.push_back(evaluate(*part, place));
  return values;
}

Value name(const Expr& expr, Place& place) {
  const Value& value = place.activation->at(expr.slot);
  return value.is_missing() ? Value::undefined("'" + expr.name + "' is undefined") : value;
}

Value dict_literal(const Expr& expr, Place& place) {
  std::vector<Pair> items;
  for (std::size_t i = 0; i < expr.parts.size(); i += 2) {
    Value key = evaluate(*expr.parts[i], place);
    put(place.r, items, std::move(key), evaluate(*expr.parts[i + 1], place));
  }
  return place.r.dict(std::move(items));
}

Value slice_of(const Expr& expr, Place& place) {
  const Value value = evaluate(*expr.parts[0], place);
  Value bounds[3];
  for (std::size_t i = 0; i < 3; ++i)
    bounds[i] = expr.parts[i + 1] ? evaluate(*expr.parts[i + 1], place) : Value::none();
  return slice(place.r, value, bounds[0], bounds[1], bounds[2]);
}

Value either(const Expr& expr, Place& place) {
  Value left = evaluate(*expr.parts[0], place);
  const bool holds = truth(place.r, left);
  return holds == (expr.kind == Expr::Kind::kOr) ? left : evaluate(*expr.parts[1], place);
}

Value concat(const Expr& expr, Place& place) {
  TextBuilder out(place.r);
  for (const Value& part : values_of(expr.parts, place)) out.add(str(place.r, part));
  return out.done();
}

bool holds(Rendering& r, const std::string& name, const Value& left, const Value& right) {
  if (name == "==") return equal(r, left, right);
  if (name == "!=") return !equal(r, left, right);
  if (name == "in") return contains(r, right, left);
  if (name == "not in") return !contains(r, right, left);
  const int order = compare(r, left, right);
  if (name == "<") return order < 0;
  if (name == "<=") return order <= 0;
  return name == ">" ? order > 0 : order >= 0;
}

Value comparison(const Expr& expr, Place& place) {
  Value left = evaluate(*expr.parts[0], place);
  for (std::size_t i = 0; i < expr.operators.size(); ++i) {
    Value right = evaluate(*expr.parts[i + 1], place);
    if (!holds(place.r, expr.operators[i], left, right)) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Value conditional(const Expr& expr, Place& place) {
  if (truth(place.r, evaluate(*expr.parts[0], place))) return evaluate(*expr.parts[1], place);
  if (expr.parts.size() > 2) return evaluate(*expr.parts[2], place);
  return Value::undefined("the condition of an 'if' without 'else' is false");
}

Value test(const Expr& expr, Place& place) {
  const Value value = evaluate(*expr.parts[0], place);
  Arguments arguments = evaluate(expr.arguments, place);
  return Value::boolean(apply_test(place.r, expr.name, value, std::move(arguments)));
}

Value call_expression(const Expr& expr, Place& place) {
  const Value callee = evaluate(*expr.parts[0], place);
  Arguments arguments = evaluate(expr.arguments, place);
  return call(place.r, callee, std::move(arguments));
}

Value operation(const Expr& expr, Place& place) {
  const Value left = evaluate(*expr.parts[0], place);
  return binary(place.r, expr.name, left, evaluate(*expr.parts[1], place));
}

Value item_of(const Expr& expr, Place& place) {
  const Value value = evaluate(*expr.parts[0], place);
  return item(place.r, value, evaluate(*expr.parts[1], place));
}

}  // namespace

void Nesting::refuse_depth() const {
  throw Refusal{Code::kTooLarge,
                "evaluation nests deeper than " + std::to_string(r_.limits().nesting) + " levels", r_.line};
}

Value evaluate(const Expr& expr, Place& place) {
  const Nesting nesting(place.r);
  place.r.spend(1);
  place.r.line = expr.line;
  using Kind = Expr::Kind;
  switch (expr.kind) {
    case Kind::kConstant: return expr.value;
    case Kind::kName: return name(expr, place);
    case Kind::kMember: break;
    case Kind::kTuple: return place.r.tuple(values_of(expr.parts, place));
    case Kind::kList: return place.r.list(values_of(expr.parts, place));
    case Kind::kDict: return dict_literal(expr, place);
    case Kind::kAttribute: return attribute(place.r, evaluate(*expr.parts[0], place), expr.attribute);
    case Kind::kItem: return item_of(expr, place);
    case Kind::kSlice: return slice_of(expr, place);
    case Kind::kCall: return call_expression(expr, place);
    case Kind::kFilter: return evaluate_filter(expr, place, Value());
    case Kind::kTest: return test(expr, place);
    case Kind::kNot: return Value::boolean(!truth(place.r, evaluate(*expr.parts[0], place)));
    case Kind::kNegative: return negative(evaluate(*expr.parts[0], place));
    case Kind::kPositive: return positive(evaluate(*expr.parts[0], place));
    case Kind::kAnd:
    case Kind::kOr: return either(expr, place);
    case Kind::kBinary: return operation(expr, place);
    case Kind::kConcat: return concat(expr, place);
    case Kind::kCompare: return comparison(expr, place);
    case Kind::kConditional: return conditional(expr, place);
  }
  PREFERD_CHECK(false);
}

Arguments evaluate(const CallArguments& arguments, Place& place) {
  Arguments out;
  out.positional = values_of(arguments.positional, place);
  for (const Keyword& keyword : arguments.keywords)
    out.keywords.emplace_back(keyword.name, evaluate(*keyword.value, place));
  if (arguments.rest)
    for (Value& value : all_items(place.r, evaluate(*arguments.rest, place)))
      out.positional.push_back(std::move(value));
  if (!arguments.more) return out;
  const Value more = evaluate(*arguments.more, place);
  if (!more.is_dict()) refuse(std::string("** expects a dict, but finds ") + more.type_name());
  for (const auto& [key, value] : more.dict()->items) {
    if (!key.is_text()) refuse("the keys of ** have to be strings");
    std::string name = key.text().utf8();
    for (const auto& [other, ignored] : out.keywords)
      if (other == name) refuse("the argument '" + name + "' is given twice");
    out.keywords.emplace_back(std::move(name), value);
  }
  return out;
}

Value evaluate_filter(const Expr& filter, Place& place, const Value& block) {
  const Nesting nesting(place.r);
  Value input = block;
  if (filter.parts[0])
    input = filter.parts[0]->kind == Expr::Kind::kFilter ? evaluate_filter(*filter.parts[0], place, block)
                                                         : evaluate(*filter.parts[0], place);
  Arguments arguments = evaluate(filter.arguments, place);
  place.r.line = filter.line;
  return apply_filter(place.r, filter.name, input, std::move(arguments));
}

Value call_with_caller(const Expr& expr, Place& place, Value caller) {
  const Value callee = evaluate(*expr.parts[0], place);
  Arguments arguments = evaluate(expr.arguments, place);
  for (const auto& [name, value] : arguments.keywords)
    if (name == "caller") refuse("the argument 'caller' is given twice");
  arguments.keywords.emplace_back("caller", std::move(caller));
  return call(place.r, callee, std::move(arguments));
}

}  // namespace preferd::text::jinja
