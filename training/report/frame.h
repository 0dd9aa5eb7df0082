// The empty chart: axes, grid and their texts.
#pragma once

#include <string>
#include <string_view>

#include "training/report/axis.h"

namespace preferd::training {

inline constexpr double kChartWidth = 440, kChartHeight = 250;

struct Frame {
  Scale x, y;
  std::string svg;  // up to where the content begins
};

// Ticks of both axes; x_name below the right end.
Frame frame(Range x, Range y, std::string_view x_name, double height = kChartHeight);

// "<title>…</title>", which browsers show as a tooltip.
std::string tooltip(std::string_view text);

std::string svg_line(double x1, double y1, double x2, double y2, std::string_view classes);

// anchor: "start", "middle" or "end".
std::string svg_text(double x, double y, std::string_view anchor, std::string_view text);

}  // namespace preferd::training
