#include "model/text/template/parser.h"
#include "model/text/template/refusal.h"

namespace preferd::text::jinja {

ExprPtr Parser::postfix(ExprPtr node) {
  for (;;) {
    if (is_operator(".") || is_operator("["))
      node = subscript(std::move(node));
    else if (is_operator("("))
      node = call(std::move(node));
    else
      return node;
  }
}

ExprPtr Parser::filters_and_tests(ExprPtr node) {
  for (;;) {
    if (skip_operator("|"))
      node = filter(std::move(node));
    else if (is_name("is"))
      node = test(std::move(node));
    else if (is_operator("("))
      node = call(std::move(node));
    else
      return node;
  }
}

ExprPtr Parser::subscript(ExprPtr node) {
  const int line = current().line;
  if (!skip_operator(".")) return subscribed(std::move(node));
  if (is(Kind::kName)) {
    ExprPtr attribute = make(Expr::Kind::kAttribute, line);
    attribute->attribute = take().name;
    return with(std::move(attribute), std::move(node));
  }
  if (!is(Kind::kInteger)) unexpected("a name or an integer");
  ExprPtr index = make(Expr::Kind::kConstant, line);
  index->value = Value::integer(take().integer);
  return with(make(Expr::Kind::kItem, line), std::move(node), std::move(index));
}

ExprPtr Parser::subscribed(ExprPtr node) {
  const int line = take().line;
  const auto one = [&]() -> ExprPtr { return is_operator(":") ? nullptr : expression(); };
  ExprPtr first = is_operator("]") ? make(Expr::Kind::kTuple, line) : one();
  if (first && is_operator(",")) {
    first = with(make(Expr::Kind::kTuple, line), std::move(first));
    while (skip_operator(",")) first = with(std::move(first), expression());
  }
  if (!skip_operator(":")) {
    expect_operator("]");
    return with(make(Expr::Kind::kItem, line), std::move(node), std::move(first));
  }
  ExprPtr slice = make(Expr::Kind::kSlice, line);
  ExprPtr stop = is_operator("]") ? nullptr : one();
  ExprPtr step = skip_operator(":") && !is_operator("]") ? expression() : nullptr;
  for (ExprPtr* part : {&node, &first, &stop, &step}) {
    deepen(*slice, part->get());
    slice->parts.push_back(std::move(*part));
  }
  if (is_operator(",")) refuse("slices with commas are not supported", line);
  expect_operator("]");
  return slice;
}

std::string Parser::dotted_name() {
  std::string name = expect(Kind::kName).name;
  while (skip_operator(".")) name += "." + expect(Kind::kName).name;
  return name;
}

ExprPtr Parser::filter(ExprPtr node) {
  ExprPtr filter = make(Expr::Kind::kFilter, current().line);
  filter->name = dotted_name();
  deepen(*filter, node.get());
  filter->parts.push_back(std::move(node));
  if (is_operator("(")) filter->arguments = arguments();
  return filter;
}

ExprPtr Parser::test(ExprPtr node) {
  const int line = take().line;
  const bool negated = skip_name("not");
  ExprPtr test = make(Expr::Kind::kTest, line);
  test->name = dotted_name();
  test = with(std::move(test), std::move(node));
  const bool argument = is(Kind::kString) || is(Kind::kInteger) || is(Kind::kFloat) || is_operator("[") ||
                        is_operator("{") ||
                        (is(Kind::kName) && !is_name("else") && !is_name("or") && !is_name("and"));
  if (is_operator("(")) {
    test->arguments = arguments();
  } else if (argument) {
    if (is_name("is")) refuse("tests with 'is' cannot be chained", line);
    ExprPtr value = postfix(primary(false));
    deepen(*test, value.get());
    test->arguments.positional.push_back(std::move(value));
  }
  return negated ? with(make(Expr::Kind::kNot, line), std::move(test)) : std::move(test);
}

ExprPtr Parser::call(ExprPtr node) {
  ExprPtr call = with(make(Expr::Kind::kCall, current().line), std::move(node));
  call->arguments = arguments();
  return call;
}

CallArguments Parser::arguments() {
  CallArguments out;
  const int line = current().line;
  const Level level(*this, line);
  expect_operator("(");
  bool comma = false;
  while (!is_operator(")")) {
    if (comma) expect_operator(",");
    if (is_operator(")")) break;
    argument(out);
    comma = true;
  }
  take();
  return out;
}

void Parser::argument(CallArguments& out) {
  const int line = current().line;
  const auto ensure = [&](bool holds) {
    if (!holds) refuse("the arguments of a call stand in an order that Python does not allow", line);
  };
  if (skip_operator("*")) {
    ensure(!out.rest && !out.more);
    out.rest = expression();
  } else if (skip_operator("**")) {
    ensure(!out.more);
    out.more = expression();
  } else if (is(Kind::kName) && after().kind == Kind::kOperator && after().name == "=") {
    ensure(!out.more);
    std::string name = take().name;
    take();
    for (const Keyword& keyword : out.keywords)
      if (keyword.name == name) refuse("the argument '" + name + "' is given twice", line);
    out.keywords.push_back({std::move(name), expression()});
  } else {
    ensure(!out.rest && !out.more && out.keywords.empty());
    out.positional.push_back(expression());
  }
}

}  // namespace preferd::text::jinja
