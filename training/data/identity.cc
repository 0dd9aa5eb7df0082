#include "training/data/identity.h"

#include <algorithm>
#include <utility>

#include "base/json.h"
#include "base/sha256.h"
#include "base/unicode.h"
#include "base/utf8.h"

namespace preferd::training {
namespace {

template <class Out>
Out leading(const Sha256& digest) {
  Out out{};
  std::memcpy(&out, digest.data(), sizeof out);
  return out;
}

bool is_plain_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::string folded(std::string_view prompt) {
  if (!is_plain_ascii(prompt)) return unicode::lower(unicode::nfc(prompt));
  std::string out(prompt);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return out;
}

}  // namespace

std::string normalised_prompt(std::string_view prompt) {
  const std::string text = folded(prompt);
  std::string out;
  out.reserve(text.size());
  bool gap = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t from = at;
    if (unicode::is_space(utf8::next(text, at))) {
      gap = true;
      continue;
    }
    if (gap && !out.empty()) out += ' ';
    gap = false;
    out.append(text, from, at - from);
  }
  return out;
}

Identity identity_of(const text::Pair& pair) {
  const Sha256 prompt = sha256(normalised_prompt(pair.prompt));
  Sha256 a = sha256(pair.response_a), b = sha256(pair.response_b);
  Identity identity;
  identity.group = leading<std::uint64_t>(prompt);
  identity.exchanged = b < a;
  if (identity.exchanged) std::swap(a, b);
  std::array<std::uint8_t, 96> joined{};
  for (std::size_t i = 0; i < 32; ++i) joined[i] = prompt[i], joined[32 + i] = a[i], joined[64 + i] = b[i];
  identity.key = leading<Key>(sha256(std::as_bytes(std::span(joined))));
  return identity;
}

Key id_key(std::string_view id) {
  if (id.starts_with('"')) {
    const auto text = parse_json(id);
    if (text && text->is_string()) return leading<Key>(sha256(text->get_ref<const std::string&>()));
  }
  return leading<Key>(sha256(id));
}

}  // namespace preferd::training
