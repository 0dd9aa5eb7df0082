// Python's arithmetic on values. What leaves 64 bits, or would be complex or not a number, is refused.
#pragma once

#include <string>

#include "model/text/template/rendering.h"
#include "model/text/template/value.h"

namespace preferd::text::jinja {

// a `name` b, where name is one of + - * / // % **.
Value binary(Rendering& r, const std::string& name, const Value& a, const Value& b);
Value add(Rendering& r, const Value& a, const Value& b);
Value negative(const Value& value);
Value positive(const Value& value);
// A float that is a number.
Value checked_float(double number);

}  // namespace preferd::text::jinja
