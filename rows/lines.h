// Text files as a stream of lines; gzip and Zstandard are seen through, "-" is standard input, a byte order mark at the start
// is dropped.
//
// One thread. Memory is bounded by the longest line (limit kMaxLineBytes).
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace preferd::rows {

inline constexpr std::size_t kMaxLineMiB = 256, kMaxLineBytes = kMaxLineMiB << 20;

class LineReader {
 public:
  // Errors: absent, unreadable. A file that begins with UTF-16's byte order mark is refused by the first
  // read.
  static Result<LineReader> open(const std::string& path);

  LineReader(LineReader&&) noexcept;
  LineReader& operator=(LineReader&&) noexcept;
  ~LineReader();

  // The next line without its "\n"; nothing at the end. Only "\n" separates. Errors: a damaged stream, a
  // read error, a line beyond the limit.
  Result<std::optional<std::string>> next();

  // For those who end rows elsewhere: what was read and not handed out, waiting for more where that is nothing; empty
  // at the end alone. It holds until the next call. Errors: those of next() but the limit.
  Result<std::string_view> held();
  void take(std::size_t count);  // hands out the front of held(); lines are counted

  const std::string& name() const;  // the path, or "standard input"

  // Lines handed out so far.
  std::size_t line_number() const;
  // Bytes of the file consumed (compressed ones, where it is), and its size; 0 where unknown.
  std::size_t bytes_read() const;
  std::size_t bytes_total() const;

 private:
  struct State;
  explicit LineReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace preferd::rows
