// The distribution of a whole number, in bounded memory: exact below 256, within 0.8 % above.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace preferd::training {

class Lengths {
 public:
  void add(std::uint64_t value);

  std::uint64_t count() const { return count_; }
  double mean() const;  // exact; 0 without values
  std::uint64_t max() const { return max_; }

  // The smallest recorded value that at least `share` (0..1) of the values do not exceed, rounded down to its
  // bucket; 0 without values.
  std::uint64_t quantile(double share) const;

  // How many values are in [from, to), by powers of two from 0, 1, 2, 4, ...; without empty bars at the end.
  struct Bar {
    std::uint64_t from = 0, to = 0, count = 0;
  };
  std::vector<Bar> bars() const;

 private:
  std::vector<std::uint64_t> buckets_;
  std::uint64_t count_ = 0, max_ = 0;
  double sum_ = 0;
};

}  // namespace preferd::training
