// The classes of work that share the model. Each has a queue, a limit and a share of its own.
#pragma once

#include <cstddef>

namespace preferd::server {

enum class TrafficClass : std::size_t {
  kInteractive,  // /predict: someone waits for it
  kBulk,         // /batch
};

}  // namespace preferd::server
