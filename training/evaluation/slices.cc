#include "training/evaluation/slices.h"

#include <algorithm>
#include <map>

namespace preferd::training {

std::vector<RowGroup> group_rows(std::span<const Prediction> predictions, GroupBy by) {
  std::map<std::string, std::vector<std::size_t>> rows;
  for (std::size_t i = 0; i < predictions.size(); ++i) {
    const std::string& name = by == GroupBy::kLanguage ? predictions[i].language : predictions[i].source;
    rows[name.empty() ? "unknown" : name].push_back(i);
  }
  std::vector<RowGroup> out;
  for (auto& [name, members] : rows) out.push_back({name, std::move(members)});
  std::stable_sort(out.begin(), out.end(),
                   [](const RowGroup& a, const RowGroup& b) { return a.rows.size() > b.rows.size(); });
  return out;
}

std::vector<RowGroup> group_by_length(std::span<const Prediction> predictions) {
  constexpr std::size_t kBins = 4;
  std::vector<std::int64_t> lengths;
  for (const Prediction& p : predictions) lengths.push_back(p.tokens);
  std::sort(lengths.begin(), lengths.end());
  std::vector<std::int64_t> ends;  // last length of each bin
  for (std::size_t b = 1; b <= kBins && !lengths.empty(); ++b) {
    const std::int64_t end = lengths[(lengths.size() * b + kBins - 1) / kBins - 1];
    if (ends.empty() || end > ends.back()) ends.push_back(end);
  }
  std::vector<RowGroup> out(ends.size());
  for (std::size_t i = 0; i < predictions.size(); ++i) {
    const auto bin = std::lower_bound(ends.begin(), ends.end(), predictions[i].tokens) - ends.begin();
    out[static_cast<std::size_t>(bin)].rows.push_back(i);
  }
  for (std::size_t b = 0; b < out.size(); ++b) {
    std::int64_t first = ends[b];
    for (const std::size_t i : out[b].rows) first = std::min(first, predictions[i].tokens);
    out[b].name = std::to_string(first) + (first == ends[b] ? "" : "–" + std::to_string(ends[b]));
  }
  return out;
}

}  // namespace preferd::training
