// Filters that order: sort, dictsort, groupby, min, max. Each computes one key an item, then compares keys, as Python's
// sorted() does; sorting is stable in either direction.
#include <algorithm>

#include "model/text/template/compare.h"
#include "model/text/template/filters.h"
#include "model/text/template/objects.h"

namespace preferd::text::jinja {
namespace {

struct Keyed {
  Value key, item;
};

void order(Rendering& r, std::vector<Keyed>& items, bool backwards) {
  std::stable_sort(items.begin(), items.end(), [&](const Keyed& a, const Keyed& b) {
    return backwards ? compare(r, b.key, a.key) < 0 : compare(r, a.key, b.key) < 0;
  });
}

bool flag(Rendering& r, const Bound& b, std::size_t i) { return b.given(i) && truth(r, b[i]); }

Value key_of(Rendering& r, Value value, bool exact) {
  return exact ? value : ignoring_case(r, std::move(value));
}

std::vector<Value> items_of(std::vector<Keyed> keyed) {
  std::vector<Value> out;
  for (Keyed& one : keyed) out.push_back(std::move(one.item));
  return out;
}

// The key is a list, as jinja2 has it: lists with equal elements need no order of their elements.
Value sort(Rendering& r, const Bound& b) {
  const bool backwards = flag(r, b, 1), exact = flag(r, b, 2);
  const std::vector<Path> paths = Path::many(b.given(3) ? b[3] : Value::none());
  std::vector<Keyed> keyed;
  for (Value& item : all_items(r, b[0])) {
    std::vector<Value> key;
    for (const Path& path : paths) key.push_back(key_of(r, path(r, item), exact));
    keyed.push_back({r.list(std::move(key)), std::move(item)});
  }
  order(r, keyed, backwards);
  return r.list(items_of(std::move(keyed)));
}

Value dict_sort(Rendering& r, const Bound& b) {
  const bool exact = flag(r, b, 1), backwards = flag(r, b, 3);
  const std::u32string_view by = !b.given(2) ? U"key" : b[2].is_text() ? b[2].text().chars() : U"";
  if (by != U"key" && by != U"value") refuse("dictsort() sorts by either key or value");
  if (b[0].is_undefined()) refuse(b[0].why_undefined());
  if (!b[0].is_dict()) refuse(std::string("dictsort() expects a dict, but finds ") + b[0].type_name());
  std::vector<Keyed> keyed;
  for (const auto& [key, value] : b[0].dict()->items)
    keyed.push_back({key_of(r, by == U"key" ? key : value, exact), r.tuple({key, value})});
  order(r, keyed, backwards);
  return r.list(items_of(std::move(keyed)));
}

Value group_by(Rendering& r, const Bound& b) {
  const Path path(b[1]);
  const Value otherwise = b.value_or(2, Value::none());
  const bool exact = flag(r, b, 3);
  std::vector<Keyed> keyed;
  for (Value& item : all_items(r, b[0]))
    keyed.push_back({key_of(r, path(r, item, otherwise), exact), std::move(item)});
  order(r, keyed, false);
  std::vector<Value> groups;
  for (std::size_t i = 0; i < keyed.size();) {
    std::vector<Value> members;
    const Value key = keyed[i].key;
    const Value shown = exact ? key : path(r, keyed[i].item, otherwise);
    for (; i < keyed.size() && equal(r, keyed[i].key, key); ++i) members.push_back(keyed[i].item);
    groups.push_back(r.list({shown, r.list(std::move(members))}, List::Form::kGroup));
  }
  return r.list(std::move(groups));
}

template <int sign>
Value extreme(Rendering& r, const Bound& b) {
  const bool exact = flag(r, b, 1);
  const Path path(b.given(2) ? b[2] : Value::none());
  const auto items = require_iterator(r, b[0]);
  Keyed best;
  for (Value item = items->next(r); !item.is_missing(); item = items->next(r)) {
    Value key = key_of(r, path(r, item), exact);
    if (best.item.is_missing() || compare(r, key, best.key) * sign > 0)
      best = {std::move(key), std::move(item)};
  }
  return best.item.is_missing() ? Value::undefined("No aggregated item, sequence was empty.") : best.item;
}

}  // namespace

const std::vector<Filter>& order_filters() {
  static const std::vector<Filter> kFilters = {
      {{"dictsort", {"value", "case_sensitive", "by", "reverse"}, 1}, dict_sort},
      {{"groupby", {"value", "attribute", "default", "case_sensitive"}, 2}, group_by},
      {{"max", {"value", "case_sensitive", "attribute"}, 1}, extreme<1>},
      {{"min", {"value", "case_sensitive", "attribute"}, 1}, extreme<-1>},
      {{"sort", {"value", "reverse", "case_sensitive", "attribute"}, 1}, sort},
  };
  return kFilters;
}

}  // namespace preferd::text::jinja
