// The values of a template: Python's, as far as chat templates meet them.
//
//   undefined, none, bool, int (64 bits), float (never NaN), text, list and tuple, dict (in insertion order), object
//
// Everything but an object is immutable, so values share what they hold and cannot form a cycle. Lists and dicts
// know how deeply they nest, which bounds every walk through them.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "model/text/template/text.h"

namespace preferd::text::jinja {

struct List;
struct Dict;
class Object;

struct None {};

// What jinja2 calls Undefined. `why` is the sentence of the error that its use causes; it is null for a variable that
// was never set ("missing"), which no expression ever sees.
struct Undefined {
  std::shared_ptr<const std::string> why;
};

class Value {
 public:
  Value() = default;  // missing
  Value(Text text) : is_(std::make_shared<const Text>(std::move(text))) {}
  Value(std::shared_ptr<const List> list) : is_(std::move(list)) {}
  Value(std::shared_ptr<const Dict> dict) : is_(std::move(dict)) {}
  template <std::derived_from<Object> T>
  Value(std::shared_ptr<T> object) : is_(std::shared_ptr<Object>(std::move(object))) {}

  static Value none() { return Value(Is(None{})); }
  static Value undefined(std::string why) {
    return Value(Is(Undefined{std::make_shared<const std::string>(std::move(why))}));
  }
  static Value boolean(bool value) { return Value(Is(value)); }
  static Value integer(std::int64_t value) { return Value(Is(value)); }
  static Value number(double not_nan) { return Value(Is(not_nan)); }
  // A string of the data, or one that the caller vouches for (kTemplate).
  static Value string(std::string_view valid_utf8, Source source) {
    return Text::from_utf8(valid_utf8, source);
  }
  static Value list(std::vector<Value> items);
  static Value tuple(std::vector<Value> items);
  // Requires keys that differ and are none, booleans, numbers or texts.
  static Value dict(std::vector<std::pair<Value, Value>> items);

  bool is_missing() const { return is_undefined() && !std::get<Undefined>(is_).why; }
  bool is_undefined() const { return std::holds_alternative<Undefined>(is_); }
  bool is_none() const { return std::holds_alternative<None>(is_); }
  bool is_bool() const { return std::holds_alternative<bool>(is_); }
  bool is_int() const { return std::holds_alternative<std::int64_t>(is_); }
  bool is_float() const { return std::holds_alternative<double>(is_); }
  bool is_text() const { return std::holds_alternative<std::shared_ptr<const Text>>(is_); }
  bool is_sequence() const { return std::holds_alternative<std::shared_ptr<const List>>(is_); }
  bool is_list() const;
  bool is_tuple() const;
  bool is_dict() const { return std::holds_alternative<std::shared_ptr<const Dict>>(is_); }
  bool is_object() const { return std::holds_alternative<std::shared_ptr<Object>>(is_); }

  bool is_integral() const { return is_bool() || is_int(); }  // isinstance(x, int): a bool is one
  bool is_number() const { return is_integral() || is_float(); }

  // Each requires its kind.
  bool boolean() const { return std::get<bool>(is_); }
  std::int64_t integer() const { return is_bool() ? boolean() : std::get<std::int64_t>(is_); }
  double number() const { return is_float() ? std::get<double>(is_) : static_cast<double>(integer()); }
  const Text& text() const { return *std::get<std::shared_ptr<const Text>>(is_); }
  const std::vector<Value>& items() const;
  const std::shared_ptr<const List>& sequence() const { return std::get<std::shared_ptr<const List>>(is_); }
  const std::shared_ptr<const Dict>& dict() const { return std::get<std::shared_ptr<const Dict>>(is_); }
  const std::shared_ptr<Object>& object() const { return std::get<std::shared_ptr<Object>>(is_); }
  const std::string& why_undefined() const { return *std::get<Undefined>(is_).why; }

  // The object, if it is one of this class.
  template <class T>
  std::shared_ptr<T> as() const {
    return is_object() ? std::dynamic_pointer_cast<T>(object()) : nullptr;
  }

  int depth() const;              // 0 for what holds nothing
  const char* type_name() const;  // as Python calls it

 private:
  using Is = std::variant<Undefined, None, bool, std::int64_t, double, std::shared_ptr<const Text>,
                          std::shared_ptr<const List>, std::shared_ptr<const Dict>, std::shared_ptr<Object>>;
  explicit Value(Is is) : is_(std::move(is)) {}

  Is is_;
};

using Pair = std::pair<Value, Value>;

struct List {
  enum class Form { kList, kTuple, kGroup };  // kGroup: (grouper, list), which `groupby` makes
  std::vector<Value> items;
  Form form = Form::kList;
  int depth = 1;
};

struct Dict {
  std::vector<Pair> items;
  int depth = 1;
};

// Containers with their depth, whatever it is: Rendering::list() and dict() are those with limits.
std::shared_ptr<const List> make_list(std::vector<Value> items, List::Form form);
std::shared_ptr<const Dict> make_dict(std::vector<Pair> items);

class Rendering;
struct Arguments;

// A value with behaviour of its own: a namespace, a macro, an iterator. See objects.h.
class Object : public std::enable_shared_from_this<Object> {
 public:
  virtual ~Object() = default;
  virtual const char* type_name() const = 0;
  virtual bool callable() const { return false; }
  virtual Value call(Rendering& r, Arguments arguments);  // refuses, unless callable
  // The Python attribute of this name, which does not start with '_'; missing if there is none.
  virtual Value attribute(Rendering&, std::string_view) { return {}; }
  virtual Text repr(Rendering& r);  // refuses where Python would print an address
  virtual void clear() {}           // lets go of every value: what can change can be part of a cycle
  int depth = 0;
};

}  // namespace preferd::text::jinja
