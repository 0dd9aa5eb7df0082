// SHA-256 (FIPS 180-4) of a byte string, by libcrypto. Any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace preferd {

using Sha256 = std::array<std::uint8_t, 32>;

Sha256 sha256(std::span<const std::byte> data);
Sha256 sha256(std::string_view text);

// Lower-case hexadecimal.
std::string hex(std::span<const std::uint8_t> digest);

}  // namespace preferd
