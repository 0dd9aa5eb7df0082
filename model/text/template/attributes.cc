#include "model/text/template/attributes.h"

#include <algorithm>
#include <array>
#include <optional>

#include "model/text/template/compare.h"
#include "model/text/template/methods.h"
#include "model/text/template/objects.h"

namespace preferd::text::jinja {
namespace {

// Attributes that every object of Python has.
constexpr std::array<std::string_view, 24> kDunders = {
    "__class__",   "__doc__",    "__eq__",     "__format__", "__ge__",        "__getattribute__",
    "__gt__",      "__hash__",   "__init__",   "__le__",     "__lt__",        "__init_subclass__",
    "__ne__",      "__new__",    "__reduce__", "__repr__",   "__reduce_ex__", "__delattr__",
    "__setattr__", "__sizeof__", "__str__",    "__dir__",    "__getstate__",  "__subclasshook__"};

Value unsafe(const Value& value, const std::string& name) {
  return Value::undefined("access to attribute '" + name + "' of '" + value.type_name() +
                          "' object is unsafe");
}

Value absent(const Value& value, const std::string& what) {
  return Value::undefined(std::string("'") + value.type_name() + "' object has no " + what);
}

// Python's attribute, an unsafe one included; missing if there is none.
Value python_attribute(Rendering& r, const Value& value, const std::string& name) {
  if (std::find(kDunders.begin(), kDunders.end(), name) != kDunders.end()) return unsafe(value, name);
  if (const auto names = value.as<Namespace>()) {
    const Value found = names->attribute(r, name);
    return found.is_missing() || !name.starts_with('_') ? found : unsafe(value, name);
  }
  if (name.starts_with('_')) return {};
  if (changes(value, name)) return unsafe(value, name);
  Value found = value.is_object() ? value.object()->attribute(r, name) : method(value, name);
  if (const auto bound = found.as<Function>()) r.object(bound, value.depth());
  return found;
}

std::optional<std::size_t> index_in(std::size_t size, std::int64_t index) {
  const auto count = static_cast<std::int64_t>(size);
  if (index < 0) index += count;
  if (index < 0 || index >= count) return std::nullopt;
  return static_cast<std::size_t>(index);
}

// obj[key]; missing where Python raises TypeError or LookupError.
Value python_item(Rendering& r, const Value& value, const Value& key) {
  if (value.is_undefined()) refuse(value.why_undefined());
  if (value.is_dict()) {
    const Value* found = hashable(key) ? find(r, *value.dict(), key) : nullptr;
    return found == nullptr ? Value() : *found;
  }
  if (!key.is_integral()) return {};
  if (value.is_text()) {
    const auto i = index_in(value.text().size(), key.integer());
    if (!i) return {};
    Text one = value.text().sub(*i, *i + 1);
    one.markup = value.text().markup;
    return r.text(std::move(one));
  }
  if (value.is_sequence()) {
    const auto i = index_in(value.items().size(), key.integer());
    return i ? value.items()[*i] : Value();
  }
  if (const auto range = value.as<Range>()) {
    const auto i = index_in(static_cast<std::size_t>(range->size()), key.integer());
    return i ? Value::integer((*range)[static_cast<std::int64_t>(*i)]) : Value();
  }
  return {};
}

}  // namespace

Value attribute(Rendering& r, const Value& value, const std::string& name) {
  if (value.is_undefined()) {
    if (std::find(kDunders.begin(), kDunders.end(), name) != kDunders.end()) return unsafe(value, name);
    refuse(value.why_undefined());
  }
  Value found = python_attribute(r, value, name);
  if (found.is_missing() && value.is_dict()) found = python_item(r, value, Text::from_utf8(name));
  return found.is_missing() ? absent(value, "attribute '" + name + "'") : found;
}

Value item(Rendering& r, const Value& value, const Value& key) {
  Value found = python_item(r, value, key);
  if (found.is_missing() && key.is_text()) found = python_attribute(r, value, key.text().utf8());
  if (!found.is_missing()) return found;
  return absent(value, key.is_text()  ? "attribute '" + key.text().utf8() + "'"
                       : key.is_int() ? "element " + std::to_string(key.integer())
                                      : std::string("element under a key of type ") + key.type_name());
}

Value attribute_only(Rendering& r, const Value& value, const std::string& name) {
  if (value.is_undefined()) return attribute(r, value, name);
  Value found = python_attribute(r, value, name);
  return found.is_missing() ? absent(value, "attribute '" + name + "'") : found;
}

namespace {

// Python's slice.indices().
struct Indices {
  std::int64_t start, stop, step;
  std::size_t count;
};

Indices indices(std::size_t size, const Value& start, const Value& stop, const Value& step) {
  const auto bound = [](const Value& value) -> std::optional<std::int64_t> {
    if (value.is_none()) return std::nullopt;
    if (!value.is_integral()) refuse("the bounds of a slice have to be integers or none");
    return value.integer();
  };
  const std::int64_t by = bound(step).value_or(1);
  if (by == 0) refuse("the step of a slice cannot be zero");
  const auto length = static_cast<std::int64_t>(size);
  const std::int64_t low = by < 0 ? -1 : 0, high = by < 0 ? length - 1 : length;
  const auto clamped = [&](std::optional<std::int64_t> at, std::int64_t otherwise) {
    if (!at) return otherwise;
    return std::clamp(*at < 0 ? std::max(*at, -length - 1) + length : *at, low, high);
  };
  const std::int64_t from = clamped(bound(start), by < 0 ? high : low);
  const std::int64_t to = clamped(bound(stop), by < 0 ? low : high);
  const std::int64_t span = by < 0 ? from - to : to - from;
  const std::uint64_t stride = by < 0 ? 0 - static_cast<std::uint64_t>(by) : static_cast<std::uint64_t>(by);
  return {from, to, by,
          span <= 0 ? 0 : static_cast<std::size_t>((static_cast<std::uint64_t>(span) - 1) / stride + 1)};
}

}  // namespace

Value slice(Rendering& r, const Value& value, const Value& start, const Value& stop, const Value& step) {
  if (value.is_undefined()) refuse(value.why_undefined());
  if (const auto range = value.as<Range>()) {
    const Indices at = indices(static_cast<std::size_t>(range->size()), start, stop, step);
    return r.object(std::make_shared<Range>((*range)[at.start], (*range)[at.stop], range->step * at.step), 0);
  }
  if (!value.is_text() && !value.is_sequence())
    refuse(std::string("a value of type ") + value.type_name() + " cannot be sliced");
  const std::size_t size = value.is_text() ? value.text().size() : value.items().size();
  const Indices at = indices(size, start, stop, step);
  const auto index = [&](std::size_t i) {
    return static_cast<std::size_t>(at.start + static_cast<std::int64_t>(i) * at.step);
  };
  if (value.is_sequence()) {
    std::vector<Value> items;
    for (std::size_t i = 0; i < at.count; ++i) items.push_back(value.items()[index(i)]);
    return r.list(std::move(items), value.is_list() ? List::Form::kList : List::Form::kTuple);
  }
  TextBuilder out(r);
  if (at.step == 1)
    out.add(value.text(), index(0), index(0) + at.count);
  else
    for (std::size_t i = 0; i < at.count; ++i) out.add(value.text(), index(i), index(i) + 1);
  return out.done_as(value.text());
}

}  // namespace preferd::text::jinja
