// What this build is and what it runs on.
#pragma once

#include <string>

namespace preferd::cli {

// Several lines: version, compiler, libtorch, instruction set, devices.
std::string version_text();

}  // namespace preferd::cli
