// CRC-32C (Castagnoli; RFC 3720, appendix B.4), and the masked form that protects TFRecord frames.
// By hand: Debian 12 has no package of it.
#pragma once

#include <cstdint>
#include <string_view>

namespace preferd::training {

std::uint32_t crc32c(std::string_view bytes);

// Rotated to the right by 15 bits, plus a constant: for a CRC that is stored among the bytes that it covers.
std::uint32_t masked_crc32c(std::string_view bytes);

}  // namespace preferd::training
