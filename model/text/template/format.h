// 'text {}'.format(...): Python's str.format with the sandbox's rules for attributes.
#pragma once

#include "model/text/template/arguments.h"
#include "model/text/template/rendering.h"

namespace preferd::text::jinja {

Value format(Rendering& r, const Text& format, const Arguments& arguments);
// format(value, spec), appended.
void format_value(Rendering& r, TextBuilder& out, const Value& value, const Text& spec);

}  // namespace preferd::text::jinja
