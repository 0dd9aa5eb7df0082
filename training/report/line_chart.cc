#include <algorithm>
#include <cmath>

#include "training/report/chart.h"
#include "training/report/frame.h"
#include "training/report/html.h"

namespace preferd::training {
namespace {

constexpr std::size_t kMostPoints = 400;

// Means of neighbours, at most kMostPoints of them.
std::vector<ChartPoint> thinned(const std::vector<ChartPoint>& points) {
  std::vector<ChartPoint> good;
  for (const ChartPoint& p : points)
    if (std::isfinite(p.x) && std::isfinite(p.y)) good.push_back(p);
  const std::size_t each = (good.size() + kMostPoints - 1) / kMostPoints;
  if (each <= 1) return good;
  std::vector<ChartPoint> out;
  for (std::size_t i = 0; i < good.size(); i += each) {
    const std::size_t n = std::min(each, good.size() - i);
    ChartPoint mean;
    for (std::size_t j = i; j < i + n; ++j) {
      mean.x += good[j].x / static_cast<double>(n);
      mean.y += good[j].y / static_cast<double>(n);
    }
    out.push_back(mean);
  }
  return out;
}

std::string drawn(const Series& s, const Frame& in) {
  const std::vector<ChartPoint> points = thinned(s.points);
  if (points.empty()) return "";
  std::string path;
  for (const ChartPoint& p : points)
    path += (path.empty() ? "M" : "L") + coordinate(in.x(p.x)) + " " + coordinate(in.y(p.y));
  const std::string colour = colour_class(s.colour);
  std::string out = "<path class=\"line " + colour + (s.mark == Mark::kFaintLine ? " faint" : "") +
                    "\" d=\"" + path + "\"/>";
  if (s.mark != Mark::kLineAndDots && points.size() > 1) return out;
  for (const ChartPoint& p : points)
    out += "<circle class=\"dot " + colour + "\" cx=\"" + coordinate(in.x(p.x)) + "\" cy=\"" +
           coordinate(in.y(p.y)) + "\" r=\"4\">" +
           tooltip(s.name + ", step " + count_text(std::llround(p.x)) + ": " + number_text(p.y, 4)) +
           "</circle>";
  return out;
}

}  // namespace

const char* colour_class(Colour colour) {
  constexpr std::array kNames = {"blue", "orange", "green", "red", "grey"};
  return kNames[static_cast<std::size_t>(colour)];
}

std::vector<ChartPoint> smoothed(const std::vector<ChartPoint>& points, double keep) {
  std::vector<ChartPoint> out;
  double sum = 0, weight = 0;
  for (const ChartPoint& p : points) {
    if (!std::isfinite(p.y)) continue;
    sum = keep * sum + (1 - keep) * p.y;
    weight = keep * weight + (1 - keep);
    out.push_back({p.x, sum / weight});
  }
  return out;
}

std::string legend(const std::vector<Series>& series) {
  std::string out = "<div class=\"legend\">";
  for (const Series& s : series)
    if (!s.name.empty())
      out += "<span class=\"" + std::string(colour_class(s.colour)) + "\"><i></i><span>" + escaped(s.name) +
             "</span></span>";
  return out + "</div>";
}

std::string line_chart(const std::vector<Series>& series, std::string_view x_name) {
  std::vector<double> xs, ys;
  for (const Series& s : series)
    for (const ChartPoint& p : s.mark == Mark::kFaintLine ? thinned(s.points) : s.points) {
      xs.push_back(p.x);
      ys.push_back(p.y);
    }
  Range across = range_of(xs);
  if (!xs.empty()) {
    const auto [low, high] = std::minmax_element(xs.begin(), xs.end());
    if (*low < *high) across = {*low, *high};
  }
  Frame in = frame(across, range_of(ys), x_name);
  for (const Series& s : series) in.svg += drawn(s, in);
  return (series.size() > 1 ? legend(series) : "") + in.svg + "</svg>";
}

}  // namespace preferd::training
