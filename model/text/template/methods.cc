#include "model/text/template/methods.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "model/text/template/compare.h"
#include "model/text/template/objects.h"

namespace preferd::text::jinja {
namespace {

bool one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Value get(Rendering& r, const Dict& dict, Arguments arguments) {
  const Bound bound({"get", {"key", "default"}, 1, 2}, std::move(arguments));
  if (!hashable(bound[0]))
    refuse(std::string("a value of type ") + bound[0].type_name() + " cannot be a key of a dict");
  const Value* found = find(r, dict, bound[0]);
  return found != nullptr ? *found : bound.value_or(1, Value::none());
}

Value view(const std::shared_ptr<const Dict>& dict, View::Of of, const std::string& name) {
  return function([dict, of, name](Rendering& r, Arguments arguments) {
    Bound({name.c_str(), {}, 0, 0}, std::move(arguments));
    return Value(r.object(std::make_shared<View>(dict, of), dict->depth));
  });
}

Value dict_method(const Value& value, const std::string& name) {
  const auto& dict = value.dict();
  if (name == "get")
    return function(
        [dict](Rendering& r, Arguments arguments) { return get(r, *dict, std::move(arguments)); });
  if (name == "keys") return view(dict, View::Of::kKeys, name);
  if (name == "values") return view(dict, View::Of::kValues, name);
  if (name == "items") return view(dict, View::Of::kItems, name);
  if (name == "copy")
    return function([value](Rendering&, Arguments arguments) {
      Bound({"copy", {}, 0, 0}, std::move(arguments));
      return Value::dict(value.dict()->items);
    });
  return name == "fromkeys" ? unsupported_method(name) : Value();
}

Value count_items(Rendering& r, const Value& value, Arguments arguments) {
  const Bound bound({"count", {"value"}, 1, 1}, std::move(arguments));
  std::int64_t count = 0;
  for (const Value& item : value.items()) count += equal(r, item, bound[0]) ? 1 : 0;
  return Value::integer(count);
}

Value index_of(Rendering& r, const Value& value, Arguments arguments) {
  const Bound bound({"index", {"value", "start", "stop"}, 1, 3}, std::move(arguments));
  const auto size = static_cast<std::int64_t>(value.items().size());
  const auto clamped = [&](std::size_t i, std::int64_t otherwise) {
    const std::int64_t at = bound.integer_or(i, otherwise);
    return at < 0 ? std::max<std::int64_t>(std::max(at, -size) + size, 0) : std::min(at, size);
  };
  const std::int64_t stop = clamped(2, size);
  for (std::int64_t i = clamped(1, 0); i < stop; ++i)
    if (equal(r, value.items()[static_cast<std::size_t>(i)], bound[0])) return Value::integer(i);
  refuse("index() does not find its value");
}

Value sequence_method(const Value& value, const std::string& name) {
  if (name == "count")
    return function(
        [value](Rendering& r, Arguments arguments) { return count_items(r, value, std::move(arguments)); });
  if (name == "index")
    return function(
        [value](Rendering& r, Arguments arguments) { return index_of(r, value, std::move(arguments)); });
  if (name == "copy" && value.is_list())
    return function([value](Rendering&, Arguments arguments) {
      Bound({"copy", {}, 0, 0}, std::move(arguments));
      return Value::list(value.items());
    });
  if (value.sequence()->form == List::Form::kGroup) {
    if (name == "grouper") return value.items()[0];
    if (name == "list") return value.items()[1];
  }
  return {};
}

Value number_attribute(const Value& value, const std::string& name) {
  if (name == "real") return value.is_bool() ? Value::integer(value.integer()) : value;
  if (name == "imag") return value.is_float() ? Value::number(0) : Value::integer(0);
  if (value.is_integral() && name == "numerator") return Value::integer(value.integer());
  if (value.is_integral() && name == "denominator") return Value::integer(1);
  if (value.is_float() && name == "is_integer")
    return function([value](Rendering&, Arguments arguments) {
      Bound({"is_integer", {}, 0, 0}, std::move(arguments));
      return Value::boolean(std::isfinite(value.number()) && std::floor(value.number()) == value.number());
    });
  const bool known = value.is_float() ? one_of(name, {"as_integer_ratio", "conjugate", "fromhex", "hex"})
                                      : one_of(name, {"as_integer_ratio", "bit_count", "bit_length",
                                                      "conjugate", "from_bytes", "to_bytes"});
  return known ? unsupported_method(name) : Value();
}

}  // namespace

Value unsupported_method(const std::string& name) {
  return function(
      [name](Rendering&, Arguments) -> Value { refuse("the method '" + name + "' is not supported"); });
}

bool changes(const Value& value, std::string_view name) {
  if (value.is_list())
    return one_of(name, {"append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"});
  return value.is_dict() && one_of(name, {"clear", "pop", "popitem", "setdefault", "update"});
}

Value method(const Value& value, const std::string& name) {
  if (value.is_text()) return text_method(value, name);
  if (value.is_dict()) return dict_method(value, name);
  if (value.is_sequence()) return sequence_method(value, name);
  return value.is_number() ? number_attribute(value, name) : Value();
}

}  // namespace preferd::text::jinja
