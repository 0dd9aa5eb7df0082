// A declaration printed as TOML: every field with its value, tables behind.
#pragma once

#include <functional>
#include <string>

#include "base/schema.h"

namespace preferd {

// What ObjectReader reads back to the same. A value that is null is left out.
std::string toml_text(const std::function<void(Schema&)>& describe);

// The same, each field beside its meaning, for people.
std::string toml_help(const std::function<void(Schema&)>& describe);

}  // namespace preferd
