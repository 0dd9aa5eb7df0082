#include "model/text/template/loop.h"

#include "model/text/template/compare.h"

namespace preferd::text::jinja {

Value Loop::next(Rendering& r) {
  Value item = after_.is_missing() ? items_->next(r) : std::exchange(after_, Value());
  if (item.is_missing()) return item;
  ++index0_;
  before_ = std::exchange(current_, item);
  return item;
}

const Value& Loop::peek(Rendering& r) {
  if (after_.is_missing()) after_ = items_->next(r);
  return after_;
}

std::int64_t Loop::length(Rendering& r) {
  if (length_) return *length_;
  if (const auto known = jinja::length(r, iterable_); known && !iterable_.as<Iterator>()) {
    length_ = *known;
  } else {
    const Value rest = r.list(all_items(r, items_));
    items_ = iterate(r, rest);
    length_ = static_cast<std::int64_t>(rest.items().size()) + index0_ + 1 + (after_.is_missing() ? 0 : 1);
  }
  return *length_;
}

Value Loop::call(Rendering&, Arguments) {
  refuse("a loop can only be called if it is recursive, which is not supported");
}

Value Loop::attribute(Rendering& r, std::string_view name) {
  if (name == "index") return Value::integer(index0_ + 1);
  if (name == "index0") return Value::integer(index0_);
  if (name == "first") return Value::boolean(index0_ == 0);
  if (name == "last") return Value::boolean(peek(r).is_missing());
  if (name == "length") return Value::integer(length(r));
  if (name == "revindex") return Value::integer(length(r) - index0_);
  if (name == "revindex0") return Value::integer(length(r) - index0_ - 1);
  if (name == "depth") return Value::integer(1);
  if (name == "depth0") return Value::integer(0);
  if (name == "previtem") return index0_ == 0 ? Value::undefined("there is no previous item") : before_;
  if (name == "nextitem") return peek(r).is_missing() ? Value::undefined("there is no next item") : after_;
  const auto self = std::static_pointer_cast<Loop>(shared_from_this());
  if (name == "cycle")
    return function([self](Rendering&, Arguments arguments) { return self->cycle(std::move(arguments)); });
  if (name == "changed")
    return function(
        [self](Rendering& to, Arguments arguments) { return self->changed(to, std::move(arguments)); });
  return {};
}

Value Loop::cycle(Arguments arguments) const {
  if (!arguments.keywords.empty()) refuse("loop.cycle() takes no named arguments");
  if (arguments.positional.empty()) refuse("loop.cycle() needs at least one argument");
  const auto size = static_cast<std::int64_t>(arguments.positional.size());
  return arguments.positional[static_cast<std::size_t>(((index0_ % size) + size) % size)];
}

Value Loop::changed(Rendering& r, Arguments arguments) {
  if (!arguments.keywords.empty()) refuse("loop.changed() takes no named arguments");
  const Value now = r.tuple(std::move(arguments.positional));
  const bool differs = last_changed_.is_missing() || !equal(r, last_changed_, now);
  if (differs) last_changed_ = now;
  return Value::boolean(differs);
}

Text Loop::repr(Rendering& r) {
  return Text::from_utf8("<LoopContext " + std::to_string(index0_ + 1) + "/" + std::to_string(length(r)) +
                         ">");
}

void Loop::clear() {
  iterable_ = before_ = current_ = after_ = last_changed_ = Value();
  items_.reset();
}

}  // namespace preferd::text::jinja
