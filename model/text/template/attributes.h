// value.name, value[key] and value[start:stop:step], by the rules of jinja2's sandbox:
//
//   value.name  Python's attribute of that name if there is one, else the item under that key
//   value[key]  the item if there is one, else Python's attribute of that name
//
// So a dict's `items` is always the method, and `d['items']` the item if the dict has one. Whatever starts with '_',
// and the methods that change a list or a dict, give an undefined value whose use is an error. What is not there gives
// an undefined value too.
#pragma once

#include <string>

#include "model/text/template/rendering.h"
#include "model/text/template/value.h"

namespace preferd::text::jinja {

Value attribute(Rendering& r, const Value& value, const std::string& name);
Value item(Rendering& r, const Value& value, const Value& key);
// Python's attribute only, as the filter `attr` does.
Value attribute_only(Rendering& r, const Value& value, const std::string& name);
// Each bound is none or an integer.
Value slice(Rendering& r, const Value& value, const Value& start, const Value& stop, const Value& step);

}  // namespace preferd::text::jinja
