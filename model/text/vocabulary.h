// Maps strings to ids: an open-addressing table over one arena of text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace preferd::text {

// Built once, then read from any thread.
class Vocabulary {
 public:
  static constexpr std::int32_t kNone = -1;

  void reserve(std::size_t pieces, std::size_t bytes);

  // False if the text is already there. Requires id >= 0.
  bool insert(std::string_view text, std::int32_t id);

  // kNone if absent.
  std::int32_t find(std::string_view text) const;

  struct Entry {
    std::uint32_t begin, size;
    std::int32_t id;
  };
  const std::vector<Entry>& entries() const { return entries_; }  // in order of insertion
  std::string_view text(const Entry& entry) const {
    return std::string_view(arena_).substr(entry.begin, entry.size);
  }

 private:
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t entry = 0;  // index + 1; 0: free
  };

  void grow(std::size_t slots);
  std::size_t probe(std::string_view text, std::uint32_t hash) const;

  std::string arena_;
  std::vector<Entry> entries_;
  std::vector<Slot> slots_;  // a power of two, at most half full
};

}  // namespace preferd::text
