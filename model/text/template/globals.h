// The names that every template knows: range, dict, namespace, cycler, joiner, raise_exception, strftime_now.
#pragma once

#include <string>

#include "model/text/template/value.h"

namespace preferd::text::jinja {

// The global of this name; missing if there is none.
Value global(const std::string& name);

}  // namespace preferd::text::jinja
