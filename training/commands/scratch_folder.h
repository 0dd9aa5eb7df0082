// A folder under the system's temporary one, removed with the object.
#pragma once

#include <string>

#include "base/result.h"

namespace preferd::training {

class ScratchFolder {
 public:
  // Errors: the temporary folder (TMPDIR) cannot be written.
  static Result<ScratchFolder> create();
  ~ScratchFolder();
  ScratchFolder(ScratchFolder&& other) noexcept;
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(ScratchFolder&&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  explicit ScratchFolder(std::string path) : path_(std::move(path)) {}

  std::string path_;  // empty: moved from
};

}  // namespace preferd::training
