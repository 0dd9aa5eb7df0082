// Charts as inline SVG, 440 units wide. Names are raw text; colours are classes of the style sheet.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "training/evaluation/measures.h"
#include "training/evaluation/metrics.h"
#include "training/report/axis.h"

namespace preferd::training {

enum class Colour { kBlue, kOrange, kGreen, kRed, kGrey };
const char* colour_class(Colour colour);

struct ChartPoint {
  double x = 0, y = 0;
};

enum class Mark { kLine, kFaintLine, kLineAndDots };

struct Series {
  std::string name;
  Colour colour = Colour::kBlue;
  Mark mark = Mark::kLine;
  std::vector<ChartPoint> points;  // points that are not finite are left out
};

// Lines over a shared x axis. Long series are reduced to what can be seen.
std::string line_chart(const std::vector<Series>& series, std::string_view x_name);

// A running mean that forgets: each point weighs `keep` times as much as the next (0 <= keep < 1); the first
// ones are bias-corrected as in Adam.
std::vector<ChartPoint> smoothed(const std::vector<ChartPoint>& points, double keep);

// Stacked bars over equal or logarithmic bins.
struct HistogramPart {
  std::string name;
  Colour colour = Colour::kBlue;
  std::vector<std::int64_t> counts;  // [bins]
};
struct Histogram {
  std::vector<std::string> bins;     // the name of each bin, for tooltips; [bins]
  std::vector<std::string> edges;    // texts under the axis, evenly spaced from its left to its right end
  std::vector<HistogramPart> parts;  // drawn from the axis upward
};
std::string histogram_chart(const Histogram& histogram);

// Histogram parts of values in [from, to]; the first and last bins include what lies beyond.
std::vector<std::int64_t> binned(std::span<const double> values, double from, double to, std::size_t bins);

// p(model_b) against what was observed, with dots sized by the square root of their rows, and counts below.
std::string reliability_chart(std::span<const ReliabilityBin> bins);

// An interval on a track with other marks, for a table's cell.
struct Track {
  Range range;
  Estimate estimate;
  double mark = kUndefined;  // a short stroke: the baseline
  std::string title;
};
std::string track_chart(const Track& track);

std::string legend(const std::vector<Series>& series);
std::string legend(const std::vector<HistogramPart>& parts);

}  // namespace preferd::training
