#include "model/text/template/objects.h"

#include "model/text/template/compare.h"
#include "model/text/template/loop.h"
#include "model/text/template/repr.h"

namespace preferd::text::jinja {
namespace {

// Over what has a length and an item at each index, in either direction.
class Indexed : public Iterator {
 public:
  using At = std::function<Value(Rendering&, std::size_t)>;
  Indexed(std::size_t size, bool backwards, At at) : size_(size), backwards_(backwards), at_(std::move(at)) {}
  Value next(Rendering& r) override {
    r.spend(1);
    if (done_ == size_) return {};
    const std::size_t i = done_++;
    return at_(r, backwards_ ? size_ - 1 - i : i);
  }

 private:
  const std::size_t size_;
  const bool backwards_;
  const At at_;
  std::size_t done_ = 0;
};

std::shared_ptr<Iterator> indexed(Rendering& r, const Value& value, bool backwards) {
  const auto over = [&](std::size_t size, Indexed::At at) -> std::shared_ptr<Iterator> {
    auto made = std::make_shared<Indexed>(size, backwards, std::move(at));
    r.object(made, value.depth());
    return made;
  };
  if (value.is_text())
    return over(value.text().size(),
                [value](Rendering& to, std::size_t i) { return to.text(value.text().sub(i, i + 1)); });
  if (value.is_sequence())
    return over(value.items().size(), [value](Rendering&, std::size_t i) { return value.items()[i]; });
  if (value.is_dict())
    return over(value.dict()->items.size(),
                [value](Rendering&, std::size_t i) { return value.dict()->items[i].first; });
  if (value.is_undefined()) return over(0, [](Rendering&, std::size_t) { return Value(); });
  if (const auto range = value.as<Range>())
    return over(static_cast<std::size_t>(range->size()), [range](Rendering&, std::size_t i) {
      return Value::integer((*range)[static_cast<std::int64_t>(i)]);
    });
  if (const auto view = value.as<View>())
    return over(view->dict->items.size(), [view](Rendering& to, std::size_t i) { return view->at(to, i); });
  return nullptr;
}

}  // namespace

Value Object::call(Rendering&, Arguments) {
  refuse(std::string("a value of type ") + type_name() + " is not callable");
}

Text Object::repr(Rendering&) {
  refuse(std::string("a value of type ") + type_name() + " has no text that is the same in every run");
}

Value Generator::next(Rendering& r) {
  r.spend(1);
  if (ended_) return {};
  Value item = next_(r);
  ended_ = item.is_missing();
  return item;
}

Value generator(Rendering& r, int depth, Generator::Next next) {
  return r.object(std::make_shared<Generator>(std::move(next)), depth);
}

std::int64_t Range::size() const {
  if (step > 0) return start < stop ? (stop - start - 1) / step + 1 : 0;
  return start > stop ? (start - stop - 1) / -step + 1 : 0;
}

Value Range::attribute(Rendering&, std::string_view name) {
  if (name == "start") return Value::integer(start);
  if (name == "stop") return Value::integer(stop);
  if (name == "step") return Value::integer(step);
  if (name == "count" || name == "index")
    return function([](Rendering&, Arguments) -> Value { refuse("methods of a range are not supported"); });
  return {};
}

Text Range::repr(Rendering&) {
  std::string out = "range(" + std::to_string(start) + ", " + std::to_string(stop);
  if (step != 1) out += ", " + std::to_string(step);
  return Text::from_utf8(out + ")");
}

const char* View::type_name() const {
  return of == Of::kKeys ? "dict_keys" : of == Of::kValues ? "dict_values" : "dict_items";
}

Text View::repr(Rendering& r) {
  TextBuilder out(r);
  out.add(std::string(type_name()) + "(");
  std::vector<Value> items;
  for (std::size_t i = 0; i < dict->items.size(); ++i) items.push_back(at(r, i));
  out.add(jinja::repr(r, r.list(std::move(items))));
  out.add(")");
  return out.take();
}

Value View::at(Rendering& r, std::size_t i) const {
  const auto& [key, value] = dict->items[i];
  if (of == Of::kItems) return r.tuple({key, value});
  return of == Of::kKeys ? key : value;
}

Value Namespace::attribute(Rendering& r, std::string_view name) {
  for (const auto& [key, value] : attributes) {
    r.spend(1);
    if (key.is_text() && key.text().chars() == to_utf32(name)) return value;
  }
  return {};
}

Text Namespace::repr(Rendering& r) {
  TextBuilder out(r);
  out.add("<Namespace ");
  out.add(jinja::repr(r, r.dict(attributes)));
  out.add(">");
  return out.take();
}

void Namespace::set(Rendering& r, const std::string& name, Value value) {
  const Value key = r.text(Text::from_utf8(name));
  for (Pair& pair : attributes)
    if (equal(r, pair.first, key)) {
      pair.second = std::move(value);
      return;
    }
  r.check_items(attributes.size() + 1);
  attributes.emplace_back(key, std::move(value));
}

std::shared_ptr<Iterator> iterate(Rendering& r, const Value& value) {
  if (auto iterator = value.as<Iterator>()) return iterator;
  return indexed(r, value, false);
}

std::shared_ptr<Iterator> iterate_backwards(Rendering& r, const Value& value) {
  return indexed(r, value, true);
}

std::shared_ptr<Iterator> require_iterator(Rendering& r, const Value& value) {
  auto iterator = iterate(r, value);
  if (!iterator) refuse(std::string("a value of type ") + value.type_name() + " is not iterable");
  return iterator;
}

std::vector<Value> all_items(Rendering& r, const Value& value) {
  const auto iterator = require_iterator(r, value);
  std::vector<Value> items;
  for (Value item = iterator->next(r); !item.is_missing(); item = iterator->next(r)) {
    items.push_back(std::move(item));
    r.check_items(items.size());
  }
  return items;
}

std::optional<std::int64_t> length(Rendering& r, const Value& value) {
  const auto size = [](std::size_t n) { return static_cast<std::int64_t>(n); };
  if (value.is_text()) return size(value.text().size());
  if (value.is_sequence()) return size(value.items().size());
  if (value.is_dict()) return size(value.dict()->items.size());
  if (value.is_undefined()) return 0;
  if (const auto range = value.as<Range>()) return range->size();
  if (const auto view = value.as<View>()) return size(view->dict->items.size());
  if (const auto loop = value.as<Loop>()) return loop->length(r);
  return std::nullopt;
}

bool truth(Rendering& r, const Value& value) {
  if (value.is_none() || value.is_undefined()) return false;
  if (value.is_float()) return value.number() != 0;
  if (value.is_integral()) return value.integer() != 0;
  const std::optional<std::int64_t> size = length(r, value);
  return !size || *size != 0;
}

Value call(Rendering& r, const Value& callee, Arguments arguments) {
  if (callee.is_undefined()) refuse(callee.why_undefined());
  if (!callee.is_object()) refuse(std::string("a value of type ") + callee.type_name() + " is not callable");
  return callee.object()->call(r, std::move(arguments));
}

}  // namespace preferd::text::jinja
