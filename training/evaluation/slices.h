// Groups of rows that an evaluation reports on separately.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "training/evaluation/prediction.h"

namespace preferd::training {

struct RowGroup {
  std::string name;
  std::vector<std::size_t> rows;  // ascending
};

enum class GroupBy { kLanguage, kSource };

// Most rows first, then by name; "" is called "unknown".
std::vector<RowGroup> group_rows(std::span<const Prediction> predictions, GroupBy by);

// Up to four bins of tokens, cut at the quartiles; rows of the same length stay together. Short first; names
// are like "12–178".
std::vector<RowGroup> group_by_length(std::span<const Prediction> predictions);

}  // namespace preferd::training
