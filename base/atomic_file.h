// Files that are there whole or not at all, whenever the process ends: written under another name beside the
// target, synced, then renamed.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace preferd {

// Replaces `path`. Errors name the path and what the system said (a full disk, no permission); the old file
// is then untouched.
Status write_file_atomically(const std::string& path, std::string_view bytes);

// A folder that appears at once: fill path(), then commit() exchanges it with `target` in one step (what was
// there is then removed); without commit() nothing remains.
class AtomicFolder {
 public:
  static Result<AtomicFolder> create(const std::string& target);
  ~AtomicFolder();
  AtomicFolder(AtomicFolder&& other) noexcept;
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(AtomicFolder&&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  const std::string& path() const { return path_; }
  Status write(const std::string& relative, std::string_view bytes);  // makes the folders between
  Status commit();

 private:
  AtomicFolder(std::string target, std::string path) : target_(std::move(target)), path_(std::move(path)) {}

  std::string target_, path_;
};

}  // namespace preferd
