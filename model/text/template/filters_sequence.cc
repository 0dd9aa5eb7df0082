#include "model/text/template/compare.h"
#include "model/text/template/filters.h"
#include "model/text/template/objects.h"

namespace preferd::text::jinja {
namespace {

Value size(Rendering& r, const Bound& b) {
  const auto length = jinja::length(r, b[0]);
  if (!length) refuse(std::string("a value of type ") + b[0].type_name() + " has no length");
  return Value::integer(*length);
}

Value with_default(Rendering& r, const Bound& b) {
  const bool any_false = b.given(2) && truth(r, b[2]);
  return b[0].is_undefined() || (any_false && !truth(r, b[0])) ? b.value_or(1, Text()) : b[0];
}

Value first(Rendering& r, const Bound& b) {
  const Value item = require_iterator(r, b[0])->next(r);
  return item.is_missing() ? Value::undefined("No first item, sequence was empty.") : item;
}

Value last(Rendering& r, const Bound& b) {
  const auto items = iterate_backwards(r, b[0]);
  if (!items) refuse(std::string("a value of type ") + b[0].type_name() + " has no last item");
  const Value item = items->next(r);
  return item.is_missing() ? Value::undefined("No last item, sequence was empty.") : item;
}

Value to_list(Rendering& r, const Bound& b) { return r.list(all_items(r, b[0])); }

Value items(Rendering& r, const Bound& b) {
  const Value value = b[0];
  auto state = std::make_shared<std::shared_ptr<Iterator>>();
  return generator(r, value.depth(), [value, state](Rendering& to) -> Value {
    if (value.is_undefined()) return {};
    if (!value.is_dict()) refuse("items() expects a dict");
    if (!*state) {
      const Value view = to.object(std::make_shared<View>(value.dict(), View::Of::kItems), value.depth());
      *state = require_iterator(to, view);
    }
    return (*state)->next(to);
  });
}

Value reverse(Rendering& r, const Bound& b) {
  const Value& value = b[0];
  const auto backwards = iterate_backwards(r, value);
  if (value.is_text()) {
    TextBuilder out(r);
    for (std::size_t i = value.text().size(); i-- > 0;) out.add(value.text(), i, i + 1);
    return out.done_as(value.text());
  }
  if (backwards) return backwards;
  std::vector<Value> all = all_items(r, value);
  return r.list({all.rbegin(), all.rend()});
}

// A batch is given when the item behind it arrives, so batches of none give an empty one, then all items.
Value batch(Rendering& r, const Bound& b) {
  const Value value = b[0], count = b[1], fill = b.value_or(2, Value::none());
  struct State {
    std::shared_ptr<Iterator> items;
    std::vector<Value> batch;
  };
  auto state = std::make_shared<State>();
  return generator(r, value.depth(), [=](Rendering& to) -> Value {
    if (!state->items) state->items = require_iterator(to, value);
    std::vector<Value>& batch = state->batch;
    const auto size = [&] { return Value::integer(static_cast<std::int64_t>(batch.size())); };
    for (Value item = state->items->next(to); !item.is_missing(); item = state->items->next(to)) {
      const bool full = equal(to, size(), count);
      std::vector<Value> out;
      if (full) out.swap(batch);
      to.check_items(batch.size() + 1);
      batch.push_back(std::move(item));
      if (full) return to.list(std::move(out));
    }
    if (batch.empty()) return {};
    if (!fill.is_none() && compare(to, size(), count) < 0) {
      if (!count.is_integral()) refuse("batch() expects an integer");
      to.check_items(static_cast<std::size_t>(count.integer()));
      batch.resize(static_cast<std::size_t>(count.integer()), fill);
    }
    return to.list(std::exchange(batch, {}));
  });
}

Value slices(Rendering& r, const Bound& b) {
  const Value value = b[0], count = b[1], fill = b.value_or(2, Value::none());
  struct State {
    std::vector<Value> items;
    std::int64_t next = -1, offset = 0;
  };
  auto state = std::make_shared<State>();
  return generator(r, value.depth(), [=](Rendering& to) -> Value {
    if (!count.is_integral()) refuse("slice() expects an integer");
    const std::int64_t number = count.integer();
    if (state->next < 0) {
      state->items = all_items(to, value);
      state->next = 0;
      if (number == 0) refuse("slice() cannot make no slices");
    }
    if (state->next >= number) return {};
    const auto length = static_cast<std::int64_t>(state->items.size());
    const std::int64_t i = state->next++, each = length / number, longer = length % number;
    const std::int64_t begin = state->offset + i * each;
    if (i < longer) ++state->offset;
    const std::int64_t end = state->offset + (i + 1) * each;
    std::vector<Value> out(state->items.begin() + begin, state->items.begin() + end);
    if (!fill.is_none() && i >= longer) out.push_back(fill);
    return to.list(std::move(out));
  });
}

Value unique(Rendering& r, const Bound& b) {
  const Value value = b[0];
  const bool exact = b.given(1) && truth(r, b[1]);
  const Path path(b.given(2) ? b[2] : Value::none());
  struct State {
    std::shared_ptr<Iterator> items;
    std::vector<Pair> seen;
  };
  auto state = std::make_shared<State>();
  return generator(r, value.depth(), [=](Rendering& to) -> Value {
    if (!state->items) state->items = require_iterator(to, value);
    for (Value item = state->items->next(to); !item.is_missing(); item = state->items->next(to)) {
      const Value found = path(to, item);
      const std::size_t before = state->seen.size();
      put(to, state->seen, exact ? found : ignoring_case(to, found), Value::none());
      if (state->seen.size() > before) return item;
    }
    return {};
  });
}

}  // namespace

const std::vector<Filter>& sequence_filters() {
  static const std::vector<Filter> kFilters = {
      {{"batch", {"value", "linecount", "fill_with"}, 2}, batch},
      {{"count", {"obj"}, 1, 1}, size},
      {{"d", {"value", "default_value", "boolean"}, 1}, with_default},
      {{"default", {"value", "default_value", "boolean"}, 1}, with_default},
      {{"first", {"seq"}, 1}, first},
      {{"items", {"value"}, 1}, items},
      {{"last", {"seq"}, 1}, last},
      {{"length", {"obj"}, 1, 1}, size},
      {{"list", {"value"}, 1}, to_list},
      {{"reverse", {"value"}, 1}, reverse},
      {{"slice", {"value", "slices", "fill_with"}, 2}, slices},
      {{"unique", {"value", "case_sensitive", "attribute"}, 1}, unique},
  };
  return kFilters;
}

}  // namespace preferd::text::jinja
