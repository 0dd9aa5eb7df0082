#include "model/text/template/compare.h"

#include <algorithm>
#include <cmath>

#include "model/text/template/objects.h"

namespace preferd::text::jinja {
namespace {

// An integer beside a float, exactly: converting the integer could round it.
int compare_int_float(std::int64_t a, double b) {
  if (b >= 0x1p63) return -1;
  if (b < -0x1p63) return 1;
  const double whole = std::trunc(b);
  const auto truncated = static_cast<std::int64_t>(whole);
  if (a != truncated) return a < truncated ? -1 : 1;
  return b > whole ? -1 : b < whole ? 1 : 0;
}

int compare_numbers(const Value& a, const Value& b) {
  if (a.is_float() && b.is_float()) return a.number() < b.number() ? -1 : a.number() > b.number() ? 1 : 0;
  if (a.is_float()) return -compare_int_float(b.integer(), a.number());
  if (b.is_float()) return compare_int_float(a.integer(), b.number());
  return a.integer() < b.integer() ? -1 : a.integer() > b.integer() ? 1 : 0;
}

bool equal_items(Rendering& r, const std::vector<Value>& a, const std::vector<Value>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!equal(r, a[i], b[i])) return false;
  return true;
}

bool equal_dicts(Rendering& r, const Dict& a, const Dict& b) {
  if (a.items.size() != b.items.size()) return false;
  for (const auto& [key, value] : a.items) {
    const Value* other = find(r, b, key);
    if (other == nullptr || !equal(r, value, *other)) return false;
  }
  return true;
}

bool equal_objects(const Value& a, const Value& b) {
  const auto range = a.as<Range>(), other = b.as<Range>();
  if (range && other) {
    const std::int64_t size = range->size();
    return size == other->size() && (size == 0 || (*range)[0] == (*other)[0]) &&
           (size < 2 || range->step == other->step);
  }
  const bool same_object = a.object() == b.object();
  if (!same_object && (a.as<View>() || a.as<Function>()) && (b.as<View>() || b.as<Function>()))
    refuse("comparing views of dicts or methods is not supported");
  return same_object;
}

}  // namespace

bool equal(Rendering& r, const Value& a, const Value& b) {
  r.spend(1);
  if (a.is_number() && b.is_number()) return compare_numbers(a, b) == 0;
  if (a.is_text() && b.is_text()) {
    if (a.text().size() != b.text().size()) return false;
    r.spend(a.text().size());
    return a.text().chars() == b.text().chars();
  }
  if (a.is_sequence() && b.is_sequence())
    return a.is_list() == b.is_list() && equal_items(r, a.items(), b.items());
  if (a.is_dict() && b.is_dict()) return equal_dicts(r, *a.dict(), *b.dict());
  if (a.is_object() && b.is_object()) return equal_objects(a, b);
  return (a.is_none() && b.is_none()) || (a.is_undefined() && b.is_undefined());
}

int compare(Rendering& r, const Value& a, const Value& b) {
  r.spend(1);
  for (const Value* value : {&a, &b})
    if (value->is_undefined()) refuse(value->why_undefined());
  if (a.is_number() && b.is_number()) return compare_numbers(a, b);
  if (a.is_text() && b.is_text()) {
    r.spend(std::min(a.text().size(), b.text().size()));
    return a.text().chars().compare(b.text().chars());
  }
  if (a.is_sequence() && b.is_sequence() && a.is_list() == b.is_list()) {
    const std::size_t common = std::min(a.items().size(), b.items().size());
    for (std::size_t i = 0; i < common; ++i)
      if (!equal(r, a.items()[i], b.items()[i])) return compare(r, a.items()[i], b.items()[i]);
    return a.items().size() < b.items().size() ? -1 : a.items().size() > b.items().size() ? 1 : 0;
  }
  if (a.as<View>() && b.as<View>()) refuse("comparing views of dicts is not supported");
  refuse(std::string("values of type ") + a.type_name() + " and " + b.type_name() + " have no order");
}

bool hashable(const Value& value) {
  if (value.is_tuple()) return std::all_of(value.items().begin(), value.items().end(), hashable);
  if (const auto view = value.as<View>()) return view->of == View::Of::kValues;
  return !value.is_list() && !value.is_dict();
}

const Value* find(Rendering& r, const Dict& dict, const Value& key) {
  for (const auto& [candidate, value] : dict.items)
    if (equal(r, candidate, key)) return &value;
  return nullptr;
}

void put(Rendering& r, std::vector<Pair>& items, Value key, Value value) {
  if (!hashable(key))
    refuse(std::string("a value of type ") + key.type_name() + " cannot be a key of a dict");
  for (Pair& pair : items)
    if (equal(r, pair.first, key)) {
      pair.second = std::move(value);
      return;
    }
  r.check_items(items.size() + 1);
  items.emplace_back(std::move(key), std::move(value));
}

bool contains(Rendering& r, const Value& container, const Value& item) {
  if (container.is_text()) {
    if (item.is_undefined())
      refuse(std::string("'in <string>' requires string as left operand, not Undefined"));
    if (!item.is_text())
      refuse(std::string("'in' of a string expects a string on its left, but finds ") + item.type_name());
    r.spend(container.text().size() + item.text().size());
    return Finder(item.text().chars()).find(container.text().chars(), 0) != kNotFound;
  }
  const auto view = container.as<View>();
  if (container.is_dict() || (view && view->of == View::Of::kKeys)) {
    if (!hashable(item))
      refuse(std::string("a value of type ") + item.type_name() + " cannot be a key of a dict");
    return find(r, container.is_dict() ? *container.dict() : *view->dict, item) != nullptr;
  }
  if (view && view->of == View::Of::kItems && item.is_tuple() && item.items().size() == 2 &&
      !hashable(item.items()[0]))
    refuse("the key of the pair cannot be a key of a dict");
  const auto iterator = require_iterator(r, container);
  for (Value candidate = iterator->next(r); !candidate.is_missing(); candidate = iterator->next(r))
    if (equal(r, candidate, item)) return true;
  return false;
}

bool same(Rendering& r, const Value& a, const Value& b) {
  const auto constant = [](const Value& v) { return v.is_none() || v.is_bool(); };
  if (constant(a) || constant(b))
    return (a.is_none() && b.is_none()) || (a.is_bool() && b.is_bool() && a.boolean() == b.boolean());
  if (a.is_list() && b.is_list()) return a.sequence() == b.sequence();
  if (a.is_dict() && b.is_dict()) return a.dict() == b.dict();
  if (a.as<Namespace>() && b.as<Namespace>()) return a.object() == b.object();
  constexpr std::int64_t kKept = 256;  // CPython keeps one object for each integer from -5 to this
  if (a.is_int() && b.is_int() && a.integer() == b.integer() && (a.integer() < -5 || a.integer() > kKept))
    refuse("whether equal large integers are the same object depends on Python");
  const bool compared = equal(r, a, b);
  if (compared && !a.is_int()) refuse("whether equal values are the same object depends on Python");
  return compared && a.is_int() && b.is_int();
}

}  // namespace preferd::text::jinja
