#include "base/region.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>

#include "base/check.h"

namespace preferd {
namespace {

constexpr std::size_t kStep = std::size_t{16} << 20;  // of what is made usable
constexpr std::size_t kPage = std::size_t{2} << 20;   // a large page
constexpr std::size_t kNearlyNothing = std::size_t{4} << 20;

std::size_t rounded(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

}  // namespace

std::unique_ptr<Region> Region::reserve(std::size_t bytes) {
  const std::size_t size = rounded(bytes, kStep);
  void* raw = ::mmap(nullptr, size + kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  auto* const first = static_cast<std::byte*>(raw);
  const std::size_t skip =
      rounded(reinterpret_cast<std::uintptr_t>(raw), kPage) - reinterpret_cast<std::uintptr_t>(raw);
  if (skip > 0) ::munmap(first, skip);
  if (skip < kPage) ::munmap(first + skip + size, kPage - skip);
  ::madvise(first + skip, size, MADV_HUGEPAGE);
  return std::unique_ptr<Region>(new Region(first + skip, size));
}

Region::~Region() { ::munmap(begin_, size_); }

void* Region::take(std::size_t bytes) {
  const std::size_t wanted = rounded(bytes, kAlign);
  const std::lock_guard lock(mutex_);
  for (auto it = free_.begin(); it != free_.end(); ++it) {
    const auto [offset, length] = *it;
    if (length < wanted) continue;
    free_.erase(it);
    if (length > wanted) free_[offset + wanted] = length - wanted;
    return cut(offset, wanted);
  }
  if (wanted < bytes || wanted > size_ - top_ || !make_usable(top_ + wanted)) return nullptr;
  top_ += wanted;
  touched_ = std::max(touched_, top_);
  return cut(top_ - wanted, wanted);
}

std::byte* Region::cut(std::size_t offset, std::size_t bytes) {
  blocks_[offset] = bytes;
  taken_ += bytes;
  return begin_ + offset;
}

bool Region::make_usable(std::size_t end) {
  if (end <= usable_) return true;
  const std::size_t wanted = std::min(size_, rounded(end, kStep));
  if (::mprotect(begin_ + usable_, wanted - usable_, PROT_READ | PROT_WRITE) != 0) return false;
  usable_ = wanted;
  return true;
}

void Region::give(void* block) {
  std::size_t offset = static_cast<std::size_t>(static_cast<std::byte*>(block) - begin_);
  const std::lock_guard lock(mutex_);
  const auto known = blocks_.find(offset);
  PREFERD_CHECK(known != blocks_.end());
  std::size_t length = known->second;
  blocks_.erase(known);
  taken_ -= length;
  auto next = free_.lower_bound(offset);
  if (next != free_.end() && next->first == offset + length) {
    length += next->second;
    next = free_.erase(next);
  }
  if (next != free_.begin() && std::prev(next)->first + std::prev(next)->second == offset) {
    offset = std::prev(next)->first;
    length += std::prev(next)->second;
    free_.erase(offset);
  }
  if (offset + length == top_)
    top_ = offset;
  else
    free_[offset] = length;
  if (taken_ <= kNearlyNothing) release();
}

void Region::release() {
  const std::size_t end = rounded(top_, kPage) + kKept;
  if (touched_ <= end) return;
  ::madvise(begin_ + end, rounded(touched_, kPage) - end, MADV_DONTNEED);
  touched_ = end;
}

bool Region::owns(const void* address) const {
  const auto* const at = static_cast<const std::byte*>(address);
  return at >= begin_ && at < begin_ + size_;
}

std::size_t Region::taken() const {
  const std::lock_guard lock(mutex_);
  return taken_;
}

std::size_t Region::touched() const {
  const std::lock_guard lock(mutex_);
  return touched_;
}

}  // namespace preferd
