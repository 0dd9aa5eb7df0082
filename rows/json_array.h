// The elements of one JSON array, a text at a time: what is held in memory is one of them.
//
// An element ends at the comma or bracket that belongs to the array, wherever lines break. What is wrong inside one is
// for its parser to say. One thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "base/result.h"
#include "rows/lines.h"

namespace preferd::rows {

class JsonArray {
 public:
  // Borrows `lines`, which stand before the opening bracket.
  explicit JsonArray(LineReader& lines) : lines_(lines) {}

  // The next element; nothing at the end. Errors: those of LineReader::held(), a file that ends before the array, an
  // element of more than kMaxLineBytes, anything but white space behind the array.
  Result<std::optional<std::string>> next();

  std::size_t number() const { return number_; }  // of the last element, from 1
  std::size_t line() const { return line_; }      // where it begins, from 1

 private:
  Result<char> mark();  // what stands next but white space; NUL: nothing
  Status scan(std::string& element);
  std::size_t piece(std::string_view text);

  LineReader& lines_;
  std::size_t number_ = 0, line_ = 0, depth_ = 0;
  bool begun_ = false, ended_ = false, in_string_ = false, escaped_ = false, at_end_ = false;
};

}  // namespace preferd::rows
