// Where the lines of `preferd score` go: a file, or standard output.
#pragma once

#include <cstddef>
#include <cstdio>
#include <string>

#include "base/result.h"

namespace preferd::cli {

enum class Existing { kReplaced, kContinued };  // lines that are there already

class Output {
 public:
  // "-" is standard output. kContinued keeps the whole lines and cuts a torn last one.
  static Result<Output> open(const std::string& path, Existing existing);

  std::size_t lines_kept() const { return kept_; }

  // Written and flushed. Errors: a full disk, say.
  Status write(const std::string& text);

 private:
  Status keep_whole_lines(const std::string& path);

  std::FILE* file_ = nullptr;
  std::string path_;
  std::size_t kept_ = 0;
};

}  // namespace preferd::cli
