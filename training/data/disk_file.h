// Files that the trainer writes once and reads by offset. A file appears under its name whole or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"

namespace preferd::training {

// Writes beside `path` and renames in commit(); without commit() the bytes are removed with the object. One
// thread; several processes may write the same path at once, and the last rename wins.
class FileWriter {
 public:
  // Creates missing folders.
  static Result<std::unique_ptr<FileWriter>> create(const std::string& path);
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  // Buffered; a full disk is reported by a later call, at the latest by commit().
  Status append(std::span<const std::byte> bytes);
  // Overwrites bytes that were appended before.
  Status overwrite(std::uint64_t offset, std::span<const std::byte> bytes);
  std::uint64_t size() const { return size_; }
  Status commit();

 private:
  FileWriter(std::string path, std::string temporary, int descriptor);
  Status flush();
  Error failure(const char* what) const;

  std::string path_, temporary_, buffer_;
  int descriptor_;
  std::uint64_t size_ = 0;
};

// Immutable; any thread.
class FileReader {
 public:
  static Result<std::shared_ptr<const FileReader>> open(const std::string& path);
  ~FileReader();
  FileReader(const FileReader&) = delete;
  FileReader& operator=(const FileReader&) = delete;

  std::uint64_t size() const { return size_; }
  const std::string& path() const { return path_; }
  // All of [offset, offset + count). Errors: a read error, or the file ends earlier.
  Result<std::string> read(std::uint64_t offset, std::size_t count) const;

 private:
  FileReader(std::string path, int descriptor, std::uint64_t size);

  std::string path_;
  int descriptor_;
  std::uint64_t size_;
};

}  // namespace preferd::training
