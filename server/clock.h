// The clock of deadlines and durations.
#pragma once

#include <chrono>

namespace preferd::server {

using Clock = std::chrono::steady_clock;

}  // namespace preferd::server
