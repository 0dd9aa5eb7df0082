// The filters. Each is a line in a table: its parameters, as Python's function has them, and its body.
#pragma once

#include <string>
#include <vector>

#include "model/text/template/arguments.h"
#include "model/text/template/rendering.h"

namespace preferd::text::jinja {

struct Filter {
  Signature signature;  // the first parameter is what is filtered
  Value (*body)(Rendering&, const Bound&);
};

// filters_text.cc, filters_number.cc, filters_sequence.cc, filters_order.cc
const std::vector<Filter>& text_filters();
const std::vector<Filter>& number_filters();
const std::vector<Filter>& sequence_filters();
const std::vector<Filter>& order_filters();

// Refuses an unknown filter, and one of jinja2 that is not supported, at compile time; `lazily` leaves an unknown one to
// the moment of its use, where jinja2 does so.
void check_filter(const std::string& name, int line, bool lazily);
bool is_filter(const std::string& name);  // of jinja2, supported or not
Value apply_filter(Rendering& r, const std::string& name, const Value& value, Arguments arguments);
Value format_filter(Rendering& r, const Value& value,
                    Arguments arguments);  // filters_text.cc: takes any arguments

// The value at a path such as "a.b.0" below an item, as `map`, `sort` and others take an attribute.
class Path {
 public:
  explicit Path(const Value& attribute);  // none: the item itself
  Value operator()(Rendering& r, Value item,
                   const Value& otherwise = {}) const;  // otherwise: for what is undefined
  // The paths that commas separate.
  static std::vector<Path> many(const Value& attribute);

 private:
  std::vector<Value> steps_;
};

// A text in lower case, other values as they are: what comparisons that ignore case compare.
Value ignoring_case(Rendering& r, Value value);

}  // namespace preferd::text::jinja
