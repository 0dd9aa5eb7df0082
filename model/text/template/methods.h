// Python's methods of strings, lists, tuples, dicts and numbers.
#pragma once

#include <string>
#include <string_view>

#include "model/text/template/rendering.h"
#include "model/text/template/value.h"

namespace preferd::text::jinja {

// The method or attribute of a value that is no object; missing where Python has none. A method that Python has and
// this interpreter has not is there, and refuses to be called.
Value method(const Value& value, const std::string& name);
// Whether it is a method that changes a list or a dict, which the immutable sandbox hides.
bool changes(const Value& value, std::string_view name);

// methods_text.cc
Value text_method(const Value& text, const std::string& name);
// A method that refuses to be called.
Value unsupported_method(const std::string& name);

}  // namespace preferd::text::jinja
