// CRC-32 (zlib's) of a byte string: it detects damage, not tampering.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <string_view>

namespace preferd::training {

inline std::uint32_t crc_of(std::string_view bytes) {
  return static_cast<std::uint32_t>(::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace preferd::training
