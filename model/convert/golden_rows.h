// A user's own rows as golden pairs of a package that is being made, and the comparison with the logits that
// they bring.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/convert/labels.h"
#include "model/scorer/golden.h"

namespace preferd::convert {

// The first 64 rows of the file. A row may bring `logits`, an array of numbers: what another program (for
// example the one that trained the model) computed for it, in the order of its own head; without them they
// are empty. Errors: a bad row, with FILE:LINE; fewer than 16 rows.
Result<std::vector<scorer::GoldenPair>> read_golden_rows(const std::string& path);

// Compares the logits that rows brought with ours, in fp32. Returns the number of rows that brought any.
// Errors: a logit is off by more than kFp32Tolerance; a table of these rows follows the sentence.
Result<std::size_t> compare_logits(std::span<const scorer::GoldenPair> rows,
                                   std::span<const scorer::Verdict> ours, const Labels& labels,
                                   const std::string& path);

}  // namespace preferd::convert
