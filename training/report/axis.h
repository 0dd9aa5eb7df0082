// Scales and ticks of charts.
#pragma once

#include <string>
#include <vector>

namespace preferd::training {

// From data to a chart's units.
struct Scale {
  double from = 0, to = 1;      // data; from < to
  double begin = 0, end = 100;  // units; may run backwards

  double operator()(double x) const { return begin + (x - from) / (to - from) * (end - begin); }
};

// About `wanted` round numbers (1, 2 or 5 times a power of ten) within [from, to].
std::vector<double> ticks(double from, double to, int wanted);

// A number with as few digits as are needed to tell ticks apart: "0.65", "1.2k", "3M", "2e-05".
std::string tick_text(double x, double step);

// The range of the finite values, slightly widened; [0, 1] if there are none.
struct Range {
  double from = 0, to = 1;
};
Range range_of(const std::vector<double>& values);

}  // namespace preferd::training
