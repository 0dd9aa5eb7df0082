// The arguments of a call, and how they find their parameters: by Python's rules.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "model/text/template/value.h"

namespace preferd::text::jinja {

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> keywords;
};

struct Signature {
  const char* name;
  std::vector<const char*> parameters;
  std::size_t required = 0;
  std::size_t positional_only = 0;  // that many of the first cannot be given by name
};

// Arguments in the order of a signature's parameters.
class Bound {
 public:
  // Refuses too many, unknown, repeated and absent arguments.
  Bound(const Signature& signature, Arguments arguments);

  bool given(std::size_t i) const { return !values_[i].is_missing(); }
  bool given_not_none(std::size_t i) const { return given(i) && !values_[i].is_none(); }
  const Value& operator[](std::size_t i) const { return values_[i]; }
  Value value_or(std::size_t i, Value otherwise) const { return given(i) ? values_[i] : otherwise; }

  // Each refuses a value of another kind, as Python does.
  const Text& text(std::size_t i) const;
  std::int64_t integer(std::size_t i) const;
  std::int64_t integer_or(std::size_t i, std::int64_t otherwise) const {
    return given(i) ? integer(i) : otherwise;
  }

 private:
  std::string name_;
  std::vector<Value> values_;
};

}  // namespace preferd::text::jinja
