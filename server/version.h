// The version of this build, as CMake's project() has it.
#pragma once

namespace preferd::server {
#ifdef PREFERD_VERSION
inline constexpr const char* kVersion = PREFERD_VERSION;
#else
inline constexpr const char* kVersion = "unknown";
#endif
}  // namespace preferd::server
