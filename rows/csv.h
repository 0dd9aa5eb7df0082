// CSV (RFC 4180): fields separated by commas (or tabs), quoted with "" as a quote, line breaks inside quotes kept; a "\r"
// before the final "\n" is dropped.
//
// By hand: libcsv gives its fields through callbacks and counts no lines, and each row is named by the line that
// it begins in.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "rows/lines.h"

namespace preferd::rows {

// The next record; nothing at the end. Errors: those of LineReader::next(), a field of more than kMaxLineBytes,
// a quote that is never closed.
Result<std::optional<std::vector<std::string>>> next_record(LineReader& lines, char separator = ',');

// One field, quoted when it must be.
std::string csv_field(const std::string& text);

}  // namespace preferd::rows
