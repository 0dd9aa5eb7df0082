#include "base/utf8.h"

namespace preferd::utf8 {
namespace {

// Length of the well-formed sequence at `at`, or 0; `bad` = bytes of the maximal ill-formed part.
std::size_t sequence(std::string_view text, std::size_t at, std::size_t& bad) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned lead = byte(at);
  bad = 1;
  if (lead < 0x80) return 1;
  std::size_t count = 0;
  unsigned low = 0x80, high = 0xBF;  // range of the second byte
  if (lead >= 0xC2 && lead <= 0xDF)
    count = 2;
  else if (lead >= 0xE0 && lead <= 0xEF)
    count = 3, low = lead == 0xE0 ? 0xA0 : 0x80, high = lead == 0xED ? 0x9F : 0xBF;
  else if (lead >= 0xF0 && lead <= 0xF4)
    count = 4, low = lead == 0xF0 ? 0x90 : 0x80, high = lead == 0xF4 ? 0x8F : 0xBF;
  else
    return 0;
  for (std::size_t i = 1; i < count; ++i) {
    const unsigned c = byte(at + i);
    if (at + i >= text.size() || c < low || c > high) return 0;
    bad = i + 1;
    low = 0x80, high = 0xBF;
  }
  return count;
}

}  // namespace

bool valid(std::string_view text) {
  std::size_t bad = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t n = sequence(text, at, bad);
    if (n == 0) return false;
    at += n;
  }
  return true;
}

std::string repaired(std::string_view text) {
  std::string out;
  std::size_t bad = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t n = sequence(text, at, bad);
    if (n == 0) {
      out += "\xEF\xBF\xBD";
      at += bad;
    } else {
      out.append(text, at, n);
      at += n;
    }
  }
  return out;
}

std::size_t length(std::string_view text) {
  std::size_t n = 0;
  for (const char c : text) n += !is_continuation(c);
  return n;
}

void append(std::string& out, char32_t c) {
  const auto put = [&](char32_t b) { out += static_cast<char>(b); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6), put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18), put(0x80 | (c >> 12 & 0x3F)), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
  }
}

}  // namespace preferd::utf8
