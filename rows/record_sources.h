// What RecordReader::open() chooses from.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "rows/lines.h"
#include "rows/records.h"

namespace preferd::rows {

// Share of the file that was read; nothing where its size is unknown.
std::optional<double> share(const LineReader& lines);

// The field that names the row: id, or in arena exports conversation_id or question_id; null: none.
const char* id_key(const Json& row);

// JSON Lines, or one JSON array of objects. `path` is for messages.
std::unique_ptr<RecordReader> json_records(LineReader lines, std::string path, InvalidText invalid_text);

// A table, its fields separated by `separator`: ',' or '\t'. Errors: the header has none of the forms' columns, or one
// twice.
Result<std::unique_ptr<RecordReader>> table_records(LineReader lines, const std::string& path, char separator,
                                                    InvalidText invalid_text);

Error parquet(const std::string& path);

}  // namespace preferd::rows
