// Regular expressions of files that we did not write (adapter_config.json), run by ICU with a time limit.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace preferd {

// Does the pattern match the whole text? Errors: the pattern does not compile, or takes too long.
Result<bool> full_match(std::string_view pattern, std::string_view text);

}  // namespace preferd
