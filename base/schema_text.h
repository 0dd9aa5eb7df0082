// A declaration printed as TOML: every field with its value, tables behind.
#pragma once

#include <functional>
#include <string>

#include "base/schema.h"

namespace preferd {

// What ObjectReader reads back to the same. A value that is null is left out.
std::string toml_text(const std::function<void(Schema&)>& describe);

// The same with a comment to each field, and to each array of tables as one: `comment` is asked with the path,
// "loop.epochs".
std::string toml_text(const std::function<void(Schema&)>& describe,
                      const std::function<std::string(const std::string& path)>& comment);

// Each field with its default and its meaning, for people.
std::string toml_help(const std::function<void(Schema&)>& describe);

}  // namespace preferd
