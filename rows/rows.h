// Pairs to score, from a file: JSON Lines, a JSON array, CSV or the same with tabs, plain or gzip, or standard input.
//
// A row has prompt, response_a and response_b (texts, turns or LMSYS turn lists: rows/turns.h) or another form
// of them (rows/forms.h; chosen is response_a), and may have id, adapter and swap ("none" | "average"); other keys and columns are ignored, but for what they tell of
// the competition that the row is from. A bad row is an answer of its own: the run goes on. Blank lines are
// skipped; a row without id (in CSV: or with an empty one) gets its line number.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/words.h"
#include "rows/records.h"

namespace preferd::rows {

// The Kaggle competition whose files have such rows: LMSYS has columns winner_model_a … winner_tie, or three
// LMSYS turn lists; WSDM has a column winner or scored. kUnknown: neither can be told.
enum class Competition { kUnknown, kLmsys, kWsdm };
constexpr auto words(Competition) {
  return word_list<Competition>(
      {{"auto", Competition::kUnknown}, {"wsdm", Competition::kWsdm}, {"lmsys", Competition::kLmsys}});
}

// What a row asks for itself: one order of the responses, or the mean of both.
enum class RowOrders { kGiven, kAverage };
constexpr auto words(RowOrders) {
  return word_list<RowOrders>({{"none", RowOrders::kGiven}, {"average", RowOrders::kAverage}});
}

struct Row {
  std::string id;  // as JSON: "\"a1\"", "17"
  std::string prompt, response_a, response_b;
  std::vector<Turn> turns;  // of the prompt, if it was given in turns
  std::optional<std::string> adapter;
  std::optional<RowOrders> swap;
  Competition competition = Competition::kUnknown;
};

struct RowRead {
  std::size_t line = 0;     // where the row begins, from 1
  std::string id;           // as JSON, also of a bad row
  Result<Row> row;          // error: what is wrong with it
  std::size_t element = 0;  // of an array, from 1; 0: it is in none (rows/records.h: place_of)
};

// One thread.
class RowReader {
 public:
  // Errors: the file cannot be opened; a CSV header without the columns.
  static Result<RowReader> open(const std::string& path, RowFormat format,
                                InvalidText invalid_text = InvalidText::kError);

  // The next row; nothing at the end. Errors end the run: an unreadable or damaged file.
  Result<std::optional<RowRead>> next();

  // Share of the file that was read, 0..1; nothing where its size is unknown.
  std::optional<double> progress() const { return records_->progress(); }

 private:
  RowReader(std::unique_ptr<RecordReader> records, InvalidText invalid_text)
      : records_(std::move(records)), invalid_text_(invalid_text) {}

  std::unique_ptr<RecordReader> records_;
  InvalidText invalid_text_;
};

}  // namespace preferd::rows
