// How a macro takes its arguments: jinja2's own rules (runtime.Macro), which differ from Python's. Positional arguments
// fill the parameters in order; names fill only parameters behind those; what is left goes to `varargs` and `kwargs`
// if the body reads these names, and is refused otherwise. `caller` is passed by name, by a call block.
#include <algorithm>

#include "model/text/template/evaluate.h"
#include "model/text/template/repr.h"

namespace preferd::text::jinja {
namespace {

// The argument of this name, taken out; missing if there is none.
Value taken(Arguments& arguments, const std::string& name) {
  const auto at = std::find_if(arguments.keywords.begin(), arguments.keywords.end(),
                               [&](const auto& keyword) { return keyword.first == name; });
  if (at == arguments.keywords.end()) return {};
  const Value value = at->second;
  arguments.keywords.erase(at);
  return value;
}

Value keywords_dict(Rendering& r, const Arguments& arguments) {
  std::vector<Pair> items;
  for (const auto& [name, value] : arguments.keywords) items.emplace_back(Text::from_utf8(name), value);
  return r.dict(std::move(items));
}

}  // namespace

std::shared_ptr<Macro> make_macro(const Callee& callee, const Place& place) {
  auto macro = std::make_shared<Macro>(callee, place);
  place.r.keep(place.activation);
  place.r.keep(macro);
  return macro;
}

void Macro::pass(Rendering& r, Activation& to, Arguments arguments) const {
  const std::size_t count = callee_.parameters.size();
  const std::size_t given = std::min(count, arguments.positional.size());
  const auto slot = [&](int index) -> Value& { return to.slots[static_cast<std::size_t>(index)]; };
  for (std::size_t i = 0; i < count; ++i)
    slot(callee_.parameter_slots[i]) =
        i < given ? arguments.positional[i] : taken(arguments, callee_.parameters[i]);
  if (callee_.caller_slot >= 0) {
    const Value caller = taken(arguments, "caller");
    slot(callee_.caller_slot) =
        caller.is_missing() || caller.is_none() ? Value::undefined("No caller defined") : caller;
  }
  if (callee_.keywords_slot >= 0)
    slot(callee_.keywords_slot) = keywords_dict(r, arguments);
  else if (!arguments.keywords.empty())
    refuse("the macro '" + callee_.name + "' has no parameter '" + arguments.keywords[0].first + "'");
  if (callee_.rest_slot >= 0)
    slot(callee_.rest_slot) = r.tuple(
        {arguments.positional.begin() + static_cast<std::ptrdiff_t>(given), arguments.positional.end()});
  else if (arguments.positional.size() > count)
    refuse("the macro '" + callee_.name + "' takes at most " + std::to_string(count) + " arguments");
}

Value Macro::call(Rendering& r, Arguments arguments) {
  const Nesting nesting(r);
  if (!where_.activation) refuse("a macro outlives its rendering");
  Place inside{r, where_.names, std::make_shared<Activation>(where_.activation, callee_.slots)};
  pass(r, *inside.activation, std::move(arguments));
  enter(callee_.frame, inside);
  const std::size_t count = callee_.parameters.size(), defaults = callee_.defaults.size();
  for (std::size_t i = 0; i < count; ++i) {
    Value& parameter = inside.activation->at({0, callee_.parameter_slots[i]});
    if (!parameter.is_missing()) continue;
    Value value = i + defaults >= count
                      ? evaluate(*callee_.defaults[i + defaults - count], inside)
                      : Value::undefined("parameter '" + callee_.parameters[i] + "' was not provided");
    inside.activation->at({0, callee_.parameter_slots[i]}) = std::move(value);
  }
  TextBuilder out(r);
  run(callee_.body, inside, out);
  return out.done();
}

Value Macro::attribute(Rendering& r, std::string_view name) {
  if (name == "name") return callee_.name.empty() ? Value::none() : Value(Text::from_utf8(callee_.name));
  if (name == "arguments") {
    std::vector<Value> names;
    for (const std::string& parameter : callee_.parameters) names.emplace_back(Text::from_utf8(parameter));
    return r.tuple(std::move(names));
  }
  const bool explicit_caller =
      std::find(callee_.parameters.begin(), callee_.parameters.end(), "caller") != callee_.parameters.end();
  if (name == "catch_kwargs") return Value::boolean(callee_.keywords_slot >= 0);
  if (name == "catch_varargs") return Value::boolean(callee_.rest_slot >= 0);
  if (name == "explicit_caller") return Value::boolean(explicit_caller);
  if (name == "caller") refuse("the attribute 'caller' of a macro is not supported");
  return {};
}

Text Macro::repr(Rendering& r) {
  if (callee_.name.empty()) return Text::from_utf8("<Macro anonymous>");
  TextBuilder out(r);
  out.add("<Macro ");
  out.add(jinja::repr(r, Text::from_utf8(callee_.name)));
  out.add(">");
  return out.take();
}

}  // namespace preferd::text::jinja
