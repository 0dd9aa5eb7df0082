#include "training/data/lengths.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace preferd::training {
namespace {

// Values below 2^kExactBits have buckets of their own; every octave above has 2^(kExactBits - 1) buckets.
constexpr int kExactBits = 8;
constexpr std::size_t kPerOctave = std::size_t{1} << (kExactBits - 1);

std::size_t bucket_of(std::uint64_t value) {
  const int octave = std::max(0, static_cast<int>(std::bit_width(value)) - kExactBits);
  return static_cast<std::size_t>(octave) * kPerOctave + static_cast<std::size_t>(value >> octave);
}

std::uint64_t lowest_of(std::size_t bucket) {
  if (bucket < 2 * kPerOctave) return bucket;
  const std::size_t octave = bucket / kPerOctave - 1;
  return (std::uint64_t{bucket} - octave * kPerOctave) << octave;
}

}  // namespace

void Lengths::add(std::uint64_t value) {
  const std::size_t bucket = bucket_of(value);
  if (bucket >= buckets_.size()) buckets_.resize(bucket + 1);
  ++buckets_[bucket];
  ++count_;
  max_ = std::max(max_, value);
  sum_ += static_cast<double>(value);
}

double Lengths::mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }

std::uint64_t Lengths::quantile(double share) const {
  const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (std::size_t b = 0; b < buckets_.size(); ++b) {
    seen += buckets_[b];
    if (seen > 0 && seen >= wanted) return lowest_of(b);
  }
  return 0;
}

std::vector<Lengths::Bar> Lengths::bars() const {
  std::vector<Bar> out;
  for (std::size_t b = 0; b < buckets_.size(); ++b) {
    const auto place = static_cast<std::size_t>(std::bit_width(lowest_of(b)));
    while (out.size() <= place) {
      const std::size_t i = out.size();
      const std::uint64_t from = i == 0 ? 0 : std::uint64_t{1} << (i - 1);
      out.push_back({from, i == 0 ? 1 : from * 2, 0});
    }
    out[place].count += buckets_[b];
  }
  return out;
}

}  // namespace preferd::training
