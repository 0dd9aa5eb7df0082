#include "training/data/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace preferd::training {
namespace {

constexpr std::size_t kChunk = 512;

void add_views(Moments& moments, const features::FeatureColumns& pair, Columns columns) {
  if (columns == Columns::kPair) return moments.add(pair);
  for (const features::Side side : {features::Side::kA, features::Side::kB}) {
    std::array<double, features::kResponseColumns> view;
    for (std::size_t i = 0; i < view.size(); ++i) view[i] = pair[features::response_columns(side)[i]];
    moments.add(view);
  }
}

}  // namespace

void Moments::add(std::span<const double> row) {
  PREFERD_CHECK(row.size() == columns_.size());
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (std::isnan(row[i])) continue;
    Column& c = columns_[i];
    const double distance = row[i] - c.mean;
    c.mean += distance / ++c.count;
    c.squares += distance * (row[i] - c.mean);
  }
}

features::Standardization Moments::statistics() const {
  constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
  features::Standardization out;
  for (const Column& c : columns_) {
    const double variance = c.count > 0 ? c.squares / c.count : 0;
    const double slack = c.count * c.mean * kEpsilon;
    const bool is_constant = variance <= c.count * kEpsilon * variance + slack * slack;
    out.mean.push_back(c.mean);
    out.std.push_back(is_constant ? 0 : std::sqrt(variance));
  }
  return out;
}

Result<features::Standardization> feature_statistics(const Dataset& data,
                                                     std::span<const std::uint32_t> examples,
                                                     features::FeatureSet set, Columns columns,
                                                     ThreadPool& pool, const DataEvents& events) {
  PREFERD_CHECK(set != features::FeatureSet::kNone);
  Moments moments(columns == Columns::kPair ? features::kPairColumns : features::kResponseColumns);
  std::vector<features::FeatureColumns> chunk(kChunk);
  for (std::size_t from = 0; from < examples.size(); from += kChunk) {
    const std::size_t count = std::min(kChunk, examples.size() - from);
    std::vector<std::optional<Error>> faults(count);
    pool.run(count, [&](std::size_t i, int) {
      if (events.is_cancelled()) {
        faults[i] = cancelled_work();
        return;
      }
      const auto example = data.load(examples[from + i]);
      if (!example)
        faults[i] = example.error();
      else
        chunk[i] = features::arena_features(set, example->pair.prompt, example->pair.response_a,
                                            example->pair.response_b);
    });
    for (std::size_t i = 0; i < count; ++i) {
      if (faults[i]) return *faults[i];
      add_views(moments, chunk[i], columns);
    }
    if (events.progress)
      events.progress(static_cast<double>(from + count) / static_cast<double>(examples.size()));
  }
  return moments.statistics();
}

}  // namespace preferd::training
