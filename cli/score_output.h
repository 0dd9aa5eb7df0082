// Where the lines of `preferd score` go: a file, or standard output.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>

#include "base/result.h"

namespace preferd::cli {

enum class Existing { kReplaced, kContinued };  // lines that are there already

class Output {
 public:
  // "-" is standard output. kContinued keeps the whole lines; nothing is changed before cut_torn_line().
  static Result<Output> open(const std::string& path, Existing existing);

  std::size_t lines_kept() const { return kept_; }
  const std::string& first_line() const { return first_; }  // of those kept, without its end
  const std::string& last_line() const { return last_; }

  Status cut_torn_line();  // of a file that is continued; of others nothing

  // Written and flushed. Errors: a full disk, say.
  Status write(const std::string& text);

 private:
  void read_whole_lines();

  Existing existing_ = Existing::kReplaced;
  std::FILE* file_ = nullptr;
  std::string path_, first_, last_;
  std::size_t kept_ = 0;
  std::uintmax_t whole_ = 0;  // bytes of them
};

}  // namespace preferd::cli
