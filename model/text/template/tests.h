// The tests: value is name(arguments).
#pragma once

#include <string>

#include "model/text/template/arguments.h"
#include "model/text/template/rendering.h"

namespace preferd::text::jinja {

// Refuses an unknown test at compile time; `lazily` leaves it to the moment of its use, where jinja2 does so.
void check_test(const std::string& name, int line, bool lazily);
bool is_test(const std::string& name);
bool apply_test(Rendering& r, const std::string& name, const Value& value, Arguments arguments);

}  // namespace preferd::text::jinja
