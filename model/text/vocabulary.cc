#include "model/text/vocabulary.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace preferd::text {
namespace {

std::uint32_t hash_of(std::string_view text) {
  constexpr std::uint64_t kMultiplier = 0x9E3779B97F4A7C15u;
  std::uint64_t h = text.size() * kMultiplier;
  const char* at = text.data();
  std::size_t left = text.size();
  for (; left >= 8; at += 8, left -= 8) {
    std::uint64_t word;
    std::memcpy(&word, at, 8);
    h = (h ^ word) * kMultiplier;
    h ^= h >> 32;
  }
  std::uint64_t tail = 0;
  std::memcpy(&tail, at, left);
  h = (h ^ tail) * kMultiplier;
  return static_cast<std::uint32_t>(h >> 32);
}

}  // namespace

void Vocabulary::reserve(std::size_t pieces, std::size_t bytes) {
  arena_.reserve(bytes);
  entries_.reserve(pieces);
  const std::size_t slots = std::bit_ceil(std::max<std::size_t>(2 * pieces, 16));
  if (slots > slots_.size()) grow(slots);
}

void Vocabulary::grow(std::size_t slots) {
  slots_.assign(slots, {});
  for (std::uint32_t i = 0; i < entries_.size(); ++i) {
    const std::string_view entry_text = text(entries_[i]);
    const std::uint32_t hash = hash_of(entry_text);
    slots_[probe(entry_text, hash)] = {hash, i + 1};
  }
}

std::size_t Vocabulary::probe(std::string_view wanted, std::uint32_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash & mask;
  while (slots_[at].entry != 0) {
    if (slots_[at].hash == hash && text(entries_[slots_[at].entry - 1]) == wanted) break;
    at = (at + 1) & mask;
  }
  return at;
}

bool Vocabulary::insert(std::string_view added, std::int32_t id) {
  if (2 * (entries_.size() + 1) > slots_.size()) grow(std::max<std::size_t>(16, 2 * slots_.size()));
  const std::uint32_t hash = hash_of(added);
  Slot& slot = slots_[probe(added, hash)];
  if (slot.entry != 0) return false;
  entries_.push_back(
      {static_cast<std::uint32_t>(arena_.size()), static_cast<std::uint32_t>(added.size()), id});
  arena_.append(added);
  slot = {hash, static_cast<std::uint32_t>(entries_.size())};
  return true;
}

std::int32_t Vocabulary::find(std::string_view wanted) const {
  if (slots_.empty()) return kNone;
  const Slot& slot = slots_[probe(wanted, hash_of(wanted))];
  return slot.entry == 0 ? kNone : entries_[slot.entry - 1].id;
}

}  // namespace preferd::text
