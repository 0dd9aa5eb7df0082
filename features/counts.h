// How many characters of each kind a text has, in the classes of Python's regular expressions.
#pragma once

#include <cstddef>
#include <string_view>

namespace preferd::features {

struct CharacterCounts {
  std::size_t length = 0;  // code points
  std::size_t spaces = 0;
  std::size_t punctuation = 0;  // , . !
  std::size_t question_marks = 0;
  std::size_t quotes = 0;      // ' "
  std::size_t formatting = 0;  // * _
  std::size_t math = 0;        // - + =
  std::size_t curly_open = 0, curly_close = 0;
  std::size_t round_open = 0, round_close = 0;
  std::size_t special = 0;  // neither a letter nor a digit nor _
  std::size_t digits = 0;
  std::size_t lower = 0, upper = 0;  // a-z, A-Z
  std::size_t chinese_runs = 0;      // maximal runs of U+4E00 .. U+9FFF
  std::size_t json = 0;              // the word, in any case
};

// Requires valid UTF-8.
CharacterCounts count_characters(std::string_view text);

}  // namespace preferd::features
