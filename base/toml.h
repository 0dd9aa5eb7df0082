// TOML in, as JSON, and out.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace preferd {

// Dates and times become their texts. Errors, kInvalid: "NAME:LINE: what is wrong there".
Result<Json> parse_toml(std::string_view text, const std::string& name);

// One value, on one line; what parse_toml() reads back to the same.
std::string toml_value(const Json& value);

}  // namespace preferd
