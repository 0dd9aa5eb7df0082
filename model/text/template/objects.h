// The objects of a template, besides what evaluate.h adds (macros and loops), and iteration.
//
// Iterators are lazy, as Python's generators are: `xs|map('upper')` does nothing until it is iterated over, and gives
// its items once.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "model/text/template/arguments.h"
#include "model/text/template/rendering.h"
#include "model/text/template/value.h"

namespace preferd::text::jinja {

class Iterator : public Object {
 public:
  const char* type_name() const override { return "generator"; }
  // The next item, or missing at the end.
  virtual Value next(Rendering& r) = 0;
};

// An iterator made of a function that gives its next item, or missing.
class Generator : public Iterator {
 public:
  using Next = std::function<Value(Rendering&)>;
  explicit Generator(Next next) : next_(std::move(next)) {}
  Value next(Rendering& r) override;

 private:
  Next next_;
  bool ended_ = false;
};

// The generator of these items; `depth` is that of what it iterates over.
Value generator(Rendering& r, int depth, Generator::Next next);

class Range : public Object {
 public:
  Range(std::int64_t from, std::int64_t to, std::int64_t by) : start(from), stop(to), step(by) {}
  const char* type_name() const override { return "range"; }
  Value attribute(Rendering& r, std::string_view name) override;
  Text repr(Rendering& r) override;
  std::int64_t size() const;
  std::int64_t operator[](std::int64_t i) const { return start + i * step; }

  const std::int64_t start, stop, step;
};

// What keys(), values() and items() of a dict give.
class View : public Object {
 public:
  enum class Of { kKeys, kValues, kItems };
  View(std::shared_ptr<const Dict> of_dict, Of what) : dict(std::move(of_dict)), of(what) {}
  const char* type_name() const override;
  Text repr(Rendering& r) override;
  Value at(Rendering& r, std::size_t i) const;

  const std::shared_ptr<const Dict> dict;
  const Of of;
};

class Namespace : public Object {
 public:
  explicit Namespace(std::vector<Pair> initial) : attributes(std::move(initial)) {}
  const char* type_name() const override { return "Namespace"; }
  Value attribute(Rendering& r, std::string_view name) override;
  Text repr(Rendering& r) override;
  void clear() override { attributes.clear(); }
  void set(Rendering& r, const std::string& name, Value value);

  std::vector<Pair> attributes;
};

// A function of the interpreter: a global, or a method bound to its value.
class Function : public Object {
 public:
  using Body = std::function<Value(Rendering&, Arguments)>;
  explicit Function(Body body) : body_(std::move(body)) {}
  const char* type_name() const override { return "function"; }
  bool callable() const override { return true; }
  Value call(Rendering& r, Arguments arguments) override { return body_(r, std::move(arguments)); }

 private:
  Body body_;
};

inline Value function(Function::Body body) { return std::make_shared<Function>(std::move(body)); }

// An iterator over what is iterable; null for what is not.
std::shared_ptr<Iterator> iterate(Rendering& r, const Value& value);
// The same, refusing what is not.
std::shared_ptr<Iterator> require_iterator(Rendering& r, const Value& value);
// From the last to the first; null for what is no sequence.
std::shared_ptr<Iterator> iterate_backwards(Rendering& r, const Value& value);
// All items of an iterable; refuses what is not.
std::vector<Value> all_items(Rendering& r, const Value& value);
// len(value); nothing where Python has none.
std::optional<std::int64_t> length(Rendering& r, const Value& value);
bool truth(Rendering& r, const Value& value);
// Calls what is callable; refuses the rest.
Value call(Rendering& r, const Value& callee, Arguments arguments);

}  // namespace preferd::text::jinja
