#include "training/report/frame.h"

#include "training/report/html.h"

namespace preferd::training {

std::string tooltip(std::string_view text) { return "<title>" + escaped(text) + "</title>"; }

std::string svg_line(double x1, double y1, double x2, double y2, std::string_view classes) {
  return "<line x1=\"" + coordinate(x1) + "\" y1=\"" + coordinate(y1) + "\" x2=\"" + coordinate(x2) +
         "\" y2=\"" + coordinate(y2) + "\" class=\"" + std::string(classes) + "\"/>";
}

std::string svg_text(double x, double y, std::string_view anchor, std::string_view text) {
  return "<text x=\"" + coordinate(x) + "\" y=\"" + coordinate(y) + "\" text-anchor=\"" +
         std::string(anchor) + "\">" + escaped(text) + "</text>";
}

Frame frame(Range x, Range y, std::string_view x_name, double height) {
  constexpr double kLeft = 42, kRight = 8, kTop = 10, kBottom = 34;
  Frame out{{x.from, x.to, kLeft, kChartWidth - kRight}, {y.from, y.to, height - kBottom, kTop}, {}};
  out.svg = "<svg viewBox=\"0 0 " + coordinate(kChartWidth) + " " + coordinate(height) + "\" role=\"img\">";
  const auto step = [](const std::vector<double>& at) { return at.size() > 1 ? at[1] - at[0] : 1; };
  const std::vector<double> across = ticks(x.from, x.to, 5), up = ticks(y.from, y.to, 5);
  for (const double t : up) {
    out.svg += svg_line(kLeft, out.y(t), kChartWidth - kRight, out.y(t), "gridline");
    out.svg += svg_text(kLeft - 6, out.y(t) + 4, "end", tick_text(t, step(up)));
  }
  out.svg += svg_line(kLeft, out.y.begin, kChartWidth - kRight, out.y.begin, "axis");
  for (const double t : across) {
    out.svg += svg_line(out.x(t), out.y.begin, out.x(t), out.y.begin + 4, "axis");
    out.svg += svg_text(out.x(t), out.y.begin + 17, "middle", tick_text(t, step(across)));
  }
  out.svg += svg_text(kChartWidth - kRight, height - 3, "end", x_name);
  return out;
}

}  // namespace preferd::training
