// Memory for large blocks that come and go in the same order again and again, as the tensors of a forward do.
//
// A range of addresses is reserved once; a block is the lowest free stretch that is long enough, and
// neighbours that are free become one. So what one step let go the next one gets, its pages in place: the
// system allocator would map and unmap blocks of that size, and a page that is mapped costs as much as
// writing it twice. Pages beyond kKept go back when nearly nothing is taken any more.
//
// By hand: the allocator that libtorch has for the CPU asks the system for every block.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace preferd {

// Any thread.
class Region {
 public:
  static constexpr std::size_t kAlign = 64;
  static constexpr std::size_t kKept = std::size_t{32} << 20;

  // Null where the system refuses that many addresses; they cost no memory.
  static std::unique_ptr<Region> reserve(std::size_t bytes);
  ~Region();
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  // A block of at least `bytes` > 0, kAlign aligned, contents undefined; null where none is long enough or
  // memory is short.
  void* take(std::size_t bytes);
  void give(void* block);  // of take()
  bool owns(const void* address) const;

  std::size_t taken() const;    // bytes of blocks
  std::size_t touched() const;  // bytes from the start that may have pages

 private:
  Region(std::byte* begin, std::size_t size) : begin_(begin), size_(size) {}
  std::byte* cut(std::size_t offset, std::size_t bytes);
  bool make_usable(std::size_t end);
  void release();

  std::byte* const begin_;
  const std::size_t size_;
  mutable std::mutex mutex_;
  std::map<std::size_t, std::size_t> free_;  // below top_: offset to bytes, no two of them adjacent
  std::unordered_map<std::size_t, std::size_t> blocks_;         // offset to bytes
  std::size_t top_ = 0, touched_ = 0, usable_ = 0, taken_ = 0;  // top_: nothing is taken from there on
};

}  // namespace preferd
