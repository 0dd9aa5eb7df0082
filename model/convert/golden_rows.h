// Rows of one's own as golden pairs of a package that is being made, and what they say of its logits.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/convert/labels.h"
#include "model/scorer/golden.h"

namespace preferd::convert {

// The first 64 rows of the file. A row may bring `logits`, an array of numbers: what another program (the
// one that trained the model, say) gave for it, in the order of its own head; without them they are empty.
// Errors: a bad row, with FILE:LINE; fewer than 16 rows.
Result<std::vector<scorer::GoldenPair>> read_golden_rows(const std::string& path);

// Holds the logits that rows brought against ours, in fp32. Errors: one is off by more than kFp32Tolerance;
// the sentence is followed by a table of the rows that are.
// The number of rows that brought any.
Result<std::size_t> compare_logits(std::span<const scorer::GoldenPair> rows,
                                   std::span<const scorer::Verdict> ours, const Labels& labels,
                                   const std::string& path);

}  // namespace preferd::convert
