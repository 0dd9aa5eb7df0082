// Rows of a file as named values: JSON Lines, one JSON array of objects, CSV or the same with tabs, plain,
// gzip or Zstandard, or standard input. What scoring and
// training both read their rows from.
//
// A bad row is an answer of its own: reading goes on. Blank lines are skipped. Parquet is refused with the
// line that converts it.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/words.h"
#include "rows/invalid_text.h"
#include "rows/turns.h"

namespace preferd::rows {

// kAuto: by ending (.csv or .tsv, with or without .gz or .zst), else JSON Lines. kJsonLines: or one array, which is read
// element by element; the first character tells.
enum class RowFormat { kAuto, kJsonLines, kCsv, kTsv };
constexpr auto words(RowFormat) {
  return word_list<RowFormat>({{"auto", RowFormat::kAuto},
                               {"jsonl", RowFormat::kJsonLines},
                               {"csv", RowFormat::kCsv},
                               {"tsv", RowFormat::kTsv}});
}

struct RecordRead {
  std::size_t line = 0;  // where the row begins, from 1
  // As JSON: "\"a1\"", "17"; numbers as they were written. In arena exports conversation_id or question_id where
  // there is no id; without those the line's number, in an array the element's.
  std::string id;
  // An object. CSV cells are strings, which may be no UTF-8; an empty cell is absent, except that of a text; one
  // that holds a list of turns as JSON is the list. Error: what is wrong with the row.
  Result<Json> fields;
  std::size_t element = 0;  // of an array, from 1; 0: it is in none
};

// "FILE:LINE", or "FILE, element N" in an array.
std::string place_of(const std::string& file, std::size_t line, std::size_t element);

// One thread.
class RecordReader {
 public:
  virtual ~RecordReader() = default;

  // Errors: the file cannot be opened; Parquet; a CSV header without the columns of a form
  // (rows/forms.h), or with one twice.
  static Result<std::unique_ptr<RecordReader>> open(const std::string& path, RowFormat format,
                                                    InvalidText invalid_text = InvalidText::kError);

  // The next row; nothing at the end. Errors end the run: an unreadable or damaged file.
  virtual Result<std::optional<RecordRead>> next() = 0;

  // Share of the file that was read, 0..1; nothing where its size is unknown.
  virtual std::optional<double> progress() const = 0;
};

// The three texts that every row has, flattened (rows/turns.h). Errors: one is missing, of another type, or
// no UTF-8, or a list in JSON text with half a UTF-16 pair (kError).
struct Texts {
  std::string prompt, response_a, response_b;
  std::vector<Turn> turns;   // of the prompt, if it was given in turns
  bool lmsys_turns = false;  // all three were LMSYS turn lists, as JSON text
};
Result<Texts> texts_of(const Json& fields, InvalidText invalid_text = InvalidText::kError);

}  // namespace preferd::rows
