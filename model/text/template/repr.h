// str() and repr() of Python. A character that repr() escapes gives its source to the whole escape; quotes, brackets
// and numbers are the template's.
#pragma once

#include <string>

#include "model/text/template/rendering.h"
#include "model/text/template/value.h"

namespace preferd::text::jinja {

Text str(Rendering& r, const Value& value);
Text repr(Rendering& r, const Value& value);
// The shortest digits that read back, laid out as Python does: "1.0", "1e-05", "1e+16", "inf".
std::string float_repr(double number);
// Whether str.isprintable() holds for the character.
bool printable(char32_t c);

}  // namespace preferd::text::jinja
