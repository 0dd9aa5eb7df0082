#include "base/sha256.h"

#include <openssl/evp.h>

#include "base/check.h"

namespace preferd {

Sha256 sha256(std::span<const std::byte> data) {
  Sha256 digest;
  unsigned length = 0;
  PREFERD_CHECK(EVP_Digest(data.data(), data.size(), digest.data(), &length, EVP_sha256(), nullptr) == 1);
  PREFERD_CHECK(length == digest.size());
  return digest;
}

Sha256 sha256(std::string_view text) { return sha256(std::as_bytes(std::span(text))); }

std::string hex(std::span<const std::uint8_t> digest) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (const std::uint8_t byte : digest) out.append({kHex[byte >> 4], kHex[byte & 15]});
  return out;
}

}  // namespace preferd
