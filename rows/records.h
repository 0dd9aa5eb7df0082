// Rows of a file as named values: JSON Lines or CSV, plain or gzip, or standard input. What scoring and
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
#include "rows/turns.h"

namespace preferd::rows {

enum class RowFormat { kAuto, kJsonLines, kCsv };  // kAuto: by ending (.csv, .csv.gz), else JSON Lines
constexpr auto words(RowFormat) {
  return word_list<RowFormat>(
      {{"auto", RowFormat::kAuto}, {"jsonl", RowFormat::kJsonLines}, {"csv", RowFormat::kCsv}});
}

struct RecordRead {
  std::size_t line = 0;  // where the row begins, from 1
  std::string id;        // as JSON: "\"a1\"", "17"; the line number where there is none
  // An object. CSV cells are strings, which may be no UTF-8; an empty cell is absent, except that of a text.
  // Error: what is wrong with the row.
  Result<Json> fields;
};

// One thread.
class RecordReader {
 public:
  virtual ~RecordReader() = default;

  // Errors: the file cannot be opened; Parquet; a CSV header without the columns of a form
  // (rows/forms.h).
  static Result<std::unique_ptr<RecordReader>> open(const std::string& path, RowFormat format);

  // The next row; nothing at the end. Errors end the run: an unreadable or damaged file.
  virtual Result<std::optional<RecordRead>> next() = 0;

  // Share of the file that was read, 0..1; nothing where its size is unknown.
  virtual std::optional<double> progress() const = 0;
};

// The three texts that every row has, flattened (rows/turns.h). Errors: one is missing, of another type, or
// no UTF-8.
struct Texts {
  std::string prompt, response_a, response_b;
  std::vector<Turn> turns;   // of the prompt, if it was given in turns
  bool lmsys_turns = false;  // all three were LMSYS turn lists, as JSON text
};
Result<Texts> texts_of(const Json& fields);

}  // namespace preferd::rows
