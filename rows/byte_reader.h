// Bytes of a file or of standard input ("-") as they come: what a pipe has is handed out before there is
// more. gzip and Zstandard are seen through, several members or frames one behind the other too; what follows the last
// is not read.
//
// One thread.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"

namespace preferd::rows {

class ByteReader {
 public:
  // Errors: absent, a folder, unreadable.
  static Result<ByteReader> open(const std::string& path);

  ByteReader(ByteReader&&) noexcept;
  ByteReader& operator=(ByteReader&&) noexcept;
  ~ByteReader();

  // Writes bytes to the front of `to`, which is not empty, and returns how many; 0 at the end alone. Waits
  // for the first of them. Errors: reading fails; a damaged stream; one that is cut short, after what is
  // whole of it.
  Result<std::size_t> read(std::span<char> to);

  const std::string& name() const;  // the path, or "standard input"

  bool compressed() const;  // once something was read

  // Bytes of the file consumed (compressed ones, where it is), and its size; 0 where unknown.
  std::size_t consumed() const;
  std::size_t total() const;

 private:
  struct State;
  explicit ByteReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace preferd::rows
