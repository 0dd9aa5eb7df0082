// Text files as a stream of lines or of CSV records; gzip is seen through, "-" is standard input, a byte
// order mark at the start is dropped.
//
// One thread. Memory is bounded by the longest line (limit kMaxLineBytes).
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace preferd::rows {

inline constexpr std::size_t kMaxLineBytes = std::size_t{256} << 20;

class LineReader {
 public:
  // Errors: absent, unreadable. A file that begins with UTF-16's byte order mark is refused by the first
  // read.
  static Result<LineReader> open(const std::string& path);

  LineReader(LineReader&&) noexcept;
  LineReader& operator=(LineReader&&) noexcept;
  ~LineReader();

  // The next line without its "\n"; nothing at the end. Only "\n" separates. Errors: a damaged gzip stream, a
  // read error, a line beyond the limit.
  Result<std::optional<std::string>> next();

  // The next RFC 4180 record: fields separated by commas, quoted with "" as a quote, line breaks inside
  // quotes kept; a "\r" before the final "\n" is dropped. Errors as next(), and a quote that is never closed.
  Result<std::optional<std::vector<std::string>>> next_record();

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

// One CSV field, quoted when it must be.
std::string csv_field(const std::string& text);

}  // namespace preferd::rows
