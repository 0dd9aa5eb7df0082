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
// there is then removed); without commit() nothing remains. path() is `target`.part: what a killed process
// left there is removed, and one that is still writing there is let be and named as the error.
class AtomicFolder {
 public:
  static Result<AtomicFolder> create(const std::string& target);
  // For what a user names: refuses a target that exists and is not an empty folder, now and at commit().
  static Result<AtomicFolder> create_new(const std::string& target);
  ~AtomicFolder();
  AtomicFolder(AtomicFolder&& other) noexcept;
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(AtomicFolder&&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  const std::string& path() const { return path_; }
  Status write(const std::string& relative, std::string_view bytes);  // makes the folders between
  Status copy(const std::string& from, const std::string& relative);  // a file from anywhere, links followed
  Status commit();

 private:
  enum class Target { kReplaced, kNew };
  static Result<AtomicFolder> make(const std::string& target, Target kind);
  AtomicFolder(std::string target, std::string path, Target kind, int lock)
      : target_(std::move(target)), path_(std::move(path)), kind_(kind), lock_(lock) {}

  std::string target_, path_;
  Target kind_;
  int lock_;  // open folder; -1: moved from
};

}  // namespace preferd
