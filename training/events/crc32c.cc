#include "training/events/crc32c.h"

#include <array>
#include <bit>

namespace preferd::training {
namespace {

constexpr std::array<std::uint32_t, 256> kTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t r = byte;
    for (int bit = 0; bit < 8; ++bit) r = (r & 1) != 0 ? r >> 1 ^ 0x82f63b78u : r >> 1;
    table[byte] = r;
  }
  return table;
}();

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t r = ~std::uint32_t{0};
  for (const char c : bytes) r = r >> 8 ^ kTable[(r ^ static_cast<unsigned char>(c)) & 0xff];
  return ~r;
}

std::uint32_t masked_crc32c(std::string_view bytes) { return std::rotr(crc32c(bytes), 15) + 0xa282ead8u; }

}  // namespace preferd::training
