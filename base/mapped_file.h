// A file on disk, mapped read-only, that notices when it is no longer the file that was opened.
//
// What is written to a file shows in its mappings at once, private ones too, and cutting it short takes their
// pages away. So whoever computes with a mapping asks intact() before the outcome is believed. Looked at is
// the open file itself, never its path: a file that was deleted, renamed or replaced by another of its name
// lives on as long as it is open, and is intact.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>

#include "base/bus_guard.h"
#include "base/result.h"

namespace preferd {

// kQuick: size and time of the last write (a microsecond). kThorough: the header and samples of the contents
// too, for writes that leave no time behind.
enum class Look { kQuick, kThorough };

// Any thread. Keeps the file open.
class MappedFile {
 public:
  // Errors: absent, unreadable, no plain file, GuardedRange::kMost are mapped already. A file that was
  // written this very moment is waited for, some milliseconds, so that the next write to it has a time of its
  // own.
  static Result<std::unique_ptr<const MappedFile>> open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> view() const { return mapping_.view; }

  // kChanged: it was written to, cut short, or cannot be read any more. Once it was, it stays so.
  Status intact(Look look) const;

 private:
  struct Mapping {
    explicit Mapping(std::span<const std::byte> bytes) : view(bytes) {}
    Mapping(Mapping&& other) noexcept : view(std::exchange(other.view, {})) {}
    ~Mapping();
    std::span<const std::byte> view;
  };

  MappedFile(std::string path, int file, const struct stat& info, Mapping mapping, GuardedRange range);
  std::string difference(Look look) const;
  std::uint32_t samples() const;

  const std::string path_;
  const int file_;
  const struct stat opened_;
  const Mapping mapping_;
  const GuardedRange range_;  // goes before the mapping, whose addresses may then be another's
  const std::uint32_t samples_;
  mutable std::atomic<std::int64_t> looked_at_;  // time of status that samples were last compared at
  mutable std::atomic<bool> changed_{false};
  mutable std::mutex mutex_;
  mutable std::string why_;  // guarded by mutex_; set before changed_
};

}  // namespace preferd
