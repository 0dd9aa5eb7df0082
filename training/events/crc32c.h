// CRC-32C (Castagnoli; RFC 3720, appendix B.4), and the masked form that guards TFRecord frames.
#pragma once

#include <cstdint>
#include <string_view>

namespace preferd::training {

std::uint32_t crc32c(std::string_view bytes);

// Rotated by 15 bits to the right, plus a constant: a CRC stored among the bytes that it covers.
std::uint32_t masked_crc32c(std::string_view bytes);

}  // namespace preferd::training
