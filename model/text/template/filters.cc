#include "model/text/template/filters.h"

#include <algorithm>
#include <array>
#include <map>

#include "model/text/template/attributes.h"
#include "model/text/template/case.h"
#include "model/text/template/number_text.h"
#include "model/text/template/objects.h"
#include "model/text/template/tests.h"

namespace preferd::text::jinja {
namespace {

constexpr std::array<std::string_view, 8> kUnsupported = {"filesizeformat", "pprint", "random",   "striptags",
                                                          "urlencode",      "urlize", "wordwrap", "xmlattr"};

const std::map<std::string, const Filter*>& table() {
  static const auto* const kTable = [] {
    auto* out = new std::map<std::string, const Filter*>;
    for (const auto* filters : {&text_filters(), &number_filters(), &sequence_filters(), &order_filters()})
      for (const Filter& filter : *filters) (*out)[filter.signature.name] = &filter;
    return out;
  }();
  return *kTable;
}

bool is_unsupported(const std::string& name) {
  return std::find(kUnsupported.begin(), kUnsupported.end(), name) != kUnsupported.end();
}

using Apply = std::function<Value(Rendering&, Value)>;

// What `map` does to an item: the attribute, or the filter that it names.
Apply mapping(Arguments arguments) {
  const auto named = [&](const std::string& key) {
    return std::find_if(arguments.keywords.begin(), arguments.keywords.end(),
                        [&](const auto& keyword) { return keyword.first == key; });
  };
  if (arguments.positional.empty() && named("attribute") != arguments.keywords.end()) {
    const Path path(named("attribute")->second);
    const bool has_default = named("default") != arguments.keywords.end();
    const Value otherwise = has_default ? named("default")->second : Value::none();
    if (arguments.keywords.size() != (has_default ? 2 : 1)) refuse("map() has no such parameter");
    return [path, otherwise](Rendering& r, Value item) { return path(r, std::move(item), otherwise); };
  }
  if (arguments.positional.empty()) refuse("map() needs the name of a filter, or an attribute");
  const Value name = arguments.positional[0];
  if (!name.is_text()) refuse("map() expects the name of a filter");
  arguments.positional.erase(arguments.positional.begin());
  return [name = name.text().utf8(), arguments](Rendering& r, Value item) {
    return apply_filter(r, name, item, arguments);
  };
}

// What select and its kin ask of an item: the truth of it or of its attribute, or the test that is named.
Apply condition(Arguments arguments, bool of_attribute) {
  std::vector<Value>& given = arguments.positional;
  Path path(Value::none());
  if (of_attribute) {
    if (given.empty()) refuse("selectattr() and rejectattr() need the name of an attribute");
    path = Path(given[0]);
    given.erase(given.begin());
  }
  if (given.empty())
    return [path](Rendering& r, Value item) { return Value::boolean(truth(r, path(r, std::move(item)))); };
  if (!given[0].is_text()) refuse("select() and its kin expect the name of a test");
  const std::string name = given[0].text().utf8();
  given.erase(given.begin());
  return [path, name, arguments](Rendering& r, Value item) {
    return Value::boolean(apply_test(r, name, path(r, std::move(item)), arguments));
  };
}

Value mapped(Rendering& r, const Value& value, Arguments arguments) {
  struct State {
    std::shared_ptr<Iterator> items;
    Apply apply;
  };
  auto state = std::make_shared<State>();
  return generator(r, value.depth(), [=, arguments = std::move(arguments)](Rendering& to) -> Value {
    if (!state->items) {
      if (!truth(to, value)) return {};
      state->apply = mapping(arguments);
      state->items = require_iterator(to, value);
    }
    Value item = state->items->next(to);
    return item.is_missing() ? item : state->apply(to, std::move(item));
  });
}

Value chosen(Rendering& r, const std::string& filter, const Value& value, Arguments arguments) {
  struct State {
    std::shared_ptr<Iterator> items;
    Apply holds;
  };
  auto state = std::make_shared<State>();
  const bool wanted = filter.starts_with("select");
  const bool of_attribute = filter.ends_with("attr");
  return generator(r, value.depth(), [=, arguments = std::move(arguments)](Rendering& to) -> Value {
    if (!state->items) {
      if (!truth(to, value)) return {};
      state->holds = condition(arguments, of_attribute);
      state->items = require_iterator(to, value);
    }
    for (Value item = state->items->next(to); !item.is_missing(); item = state->items->next(to))
      if (state->holds(to, item).boolean() == wanted) return item;
    return {};
  });
}

bool is_choice(const std::string& name) {
  return name == "select" || name == "reject" || name == "selectattr" || name == "rejectattr";
}

}  // namespace

void check_filter(const std::string& name, int line, bool lazily) {
  if (is_unsupported(name)) refuse("the filter '" + name + "' is not supported", line);
  if (!lazily && !is_filter(name)) refuse("there is no filter '" + name + "'", line);
}

bool is_filter(const std::string& name) {
  return name == "map" || name == "format" || is_choice(name) || is_unsupported(name) ||
         table().contains(name);
}

Value apply_filter(Rendering& r, const std::string& name, const Value& value, Arguments arguments) {
  if (is_unsupported(name)) refuse("the filter '" + name + "' is not supported");
  if (name == "map") return mapped(r, value, std::move(arguments));
  if (is_choice(name)) return chosen(r, name, value, std::move(arguments));
  if (name == "format") return format_filter(r, value, std::move(arguments));
  const auto found = table().find(name);
  if (found == table().end()) refuse("there is no filter '" + name + "'");
  arguments.positional.insert(arguments.positional.begin(), value);
  return found->second->body(r, Bound(found->second->signature, std::move(arguments)));
}

Path::Path(const Value& attribute) {
  if (attribute.is_none() || attribute.is_missing()) return;
  if (!attribute.is_text()) {
    steps_.push_back(attribute);
    return;
  }
  const Text& text = attribute.text();
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.chars().find(U'.', begin), text.size());
    const std::u32string_view step = text.chars().substr(begin, end - begin);
    const bool number = !step.empty() && step.find_first_not_of(U"0123456789") == kNotFound;
    steps_.push_back(number ? Value::integer(parse_int(step, 10).value_or(0)) : Value(text.sub(begin, end)));
    begin = end + 1;
  }
}

std::vector<Path> Path::many(const Value& attribute) {
  if (!attribute.is_text()) return {Path(attribute)};
  std::vector<Path> out;
  const Text& text = attribute.text();
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.chars().find(U',', begin), text.size());
    out.emplace_back(Value(text.sub(begin, end)));
    begin = end + 1;
  }
  return out;
}

Value Path::operator()(Rendering& r, Value value, const Value& otherwise) const {
  for (const Value& step : steps_) {
    value = item(r, value, step);
    if (value.is_undefined() && !otherwise.is_missing() && !otherwise.is_none()) value = otherwise;
  }
  return value;
}

Value ignoring_case(Rendering& r, Value value) { return value.is_text() ? lower(r, value.text()) : value; }

}  // namespace preferd::text::jinja
