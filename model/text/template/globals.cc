#include "model/text/template/globals.h"

#include <map>

#include "model/text/template/compare.h"
#include "model/text/template/objects.h"
#include "model/text/template/repr.h"
#include "model/text/template/strftime.h"

namespace preferd::text::jinja {
namespace {

class Cycler : public Object {
 public:
  explicit Cycler(std::vector<Value> items) : items_(std::move(items)) {}
  const char* type_name() const override { return "Cycler"; }
  Value attribute(Rendering& r, std::string_view name) override {
    const auto self = std::static_pointer_cast<Cycler>(shared_from_this());
    if (name == "current") return items_[at_];
    if (name == "items") return r.tuple(items_);
    if (name == "pos") return Value::integer(static_cast<std::int64_t>(at_));
    if (name == "next")
      return function([self](Rendering&, Arguments arguments) {
        Bound({"next", {}}, std::move(arguments));
        const std::size_t at = std::exchange(self->at_, (self->at_ + 1) % self->items_.size());
        return self->items_[at];
      });
    if (name == "reset")
      return function([self](Rendering&, Arguments arguments) {
        Bound({"reset", {}}, std::move(arguments));
        self->at_ = 0;
        return Value::none();
      });
    return {};
  }

 private:
  const std::vector<Value> items_;
  std::size_t at_ = 0;
};

class Joiner : public Object {
 public:
  explicit Joiner(Value separator) : separator_(std::move(separator)) {}
  const char* type_name() const override { return "Joiner"; }
  bool callable() const override { return true; }
  Value call(Rendering&, Arguments arguments) override {
    Bound({"joiner", {}}, std::move(arguments));
    return std::exchange(used_, true) ? separator_ : Value(Text());
  }
  Value attribute(Rendering&, std::string_view name) override {
    if (name == "sep") return separator_;
    return name == "used" ? Value::boolean(used_) : Value();
  }

 private:
  const Value separator_;
  bool used_ = false;
};

// What dict(...) makes of its arguments.
std::vector<Pair> pairs_of(Rendering& r, Arguments arguments) {
  if (arguments.positional.size() > 1) refuse("dict() takes at most one positional argument");
  std::vector<Pair> out;
  if (!arguments.positional.empty() && arguments.positional[0].is_dict()) {
    out = arguments.positional[0].dict()->items;
  } else if (!arguments.positional.empty()) {
    for (const Value& pair : all_items(r, arguments.positional[0])) {
      const std::vector<Value> two = all_items(r, pair);
      if (two.size() != 2) refuse("dict() expects pairs");
      put(r, out, two[0], two[1]);
    }
  }
  for (auto& [name, value] : arguments.keywords) put(r, out, Text::from_utf8(name), std::move(value));
  return out;
}

Value range(Rendering& r, Arguments arguments) {
  if (!arguments.keywords.empty()) refuse("range() takes no named arguments");
  if (arguments.positional.empty()) refuse("range() needs an argument");
  const bool one = arguments.positional.size() == 1;
  const Bound b({"range", {"start", "stop", "step"}, 1}, std::move(arguments));
  const std::int64_t start = one ? 0 : b.integer(0), stop = one ? b.integer(0) : b.integer(1);
  const std::int64_t step = b.integer_or(2, 1);
  if (step == 0) refuse("the step of range() cannot be zero");
  constexpr std::int64_t kFar = std::int64_t{1} << 60;
  for (const std::int64_t bound : {start, stop, step})
    if (bound > kFar || bound < -kFar) refuse("range() does not reach beyond 60 bits");
  auto made = std::make_shared<Range>(start, stop, step);
  if (made->size() > r.limits().range)
    throw Refusal{Code::kTooLarge, "range() has more than " + std::to_string(r.limits().range) + " items",
                  r.line};
  return r.object(std::move(made), 0);
}

Value make_dict_value(Rendering& r, Arguments arguments) { return r.dict(pairs_of(r, std::move(arguments))); }

Value make_namespace(Rendering& r, Arguments arguments) {
  auto made = std::make_shared<Namespace>(pairs_of(r, std::move(arguments)));
  r.keep(made);
  return made;
}

Value make_cycler(Rendering& r, Arguments arguments) {
  if (!arguments.keywords.empty()) refuse("cycler() takes no named arguments");
  if (arguments.positional.empty()) refuse("cycler() needs an argument");
  const Value items = r.tuple(std::move(arguments.positional));
  return r.object(std::make_shared<Cycler>(items.items()), items.depth());
}

Value make_joiner(Rendering& r, Arguments arguments) {
  const Bound b({"joiner", {"sep"}}, std::move(arguments));
  const Value separator = b.value_or(0, Text(U", "));
  return r.object(std::make_shared<Joiner>(separator), separator.depth());
}

Value raise_exception(Rendering& r, Arguments arguments) {
  const Bound b({"raise_exception", {"message"}, 1}, std::move(arguments));
  throw Refusal{Code::kInvalid, "the template refuses its input: " + str(r, b[0]).utf8(), r.line};
}

Value strftime_now(Rendering& r, Arguments arguments) {
  const Bound b({"strftime_now", {"format"}, 1}, std::move(arguments));
  return format_date(r, b.text(0));
}

Value lipsum(Rendering&, Arguments) { refuse("the function 'lipsum' is not supported"); }

}  // namespace

Value global(const std::string& name) {
  static const auto* const kGlobals = new std::map<std::string, Value (*)(Rendering&, Arguments)>{
      {"cycler", make_cycler}, {"dict", make_dict_value},      {"joiner", make_joiner},
      {"lipsum", lipsum},      {"namespace", make_namespace},  {"raise_exception", raise_exception},
      {"range", range},        {"strftime_now", strftime_now},
  };
  const auto found = kGlobals->find(name);
  return found == kGlobals->end() ? Value() : function(found->second);
}

}  // namespace preferd::text::jinja
