// The variables of a process.
#pragma once

#include <map>
#include <string>

namespace preferd {

using Environment = std::map<std::string, std::string>;

// The process's own.
Environment environment();

}  // namespace preferd
