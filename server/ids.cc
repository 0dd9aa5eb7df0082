#include "server/ids.h"

#include <atomic>
#include <cstdint>
#include <random>

namespace preferd::server {
namespace {

std::string random_prefix() {
  static constexpr char kHex[] = "0123456789abcdef";
  std::random_device device;
  std::string out;
  for (int i = 0; i < 16; ++i) out += kHex[device() % 16];
  return out;
}

}  // namespace

std::string fresh_id() {
  static const std::string prefix = random_prefix();
  static std::atomic<std::uint64_t> count{0};
  return prefix + "-" + std::to_string(count.fetch_add(1, std::memory_order_relaxed));
}

}  // namespace preferd::server
