#include <algorithm>
#include <cmath>

#include "training/report/chart.h"
#include "training/report/frame.h"
#include "training/report/html.h"

namespace preferd::training {
namespace {

std::string rect(double x, double y, double width, double height, const std::string& classes,
                 const std::string& title) {
  return "<rect class=\"" + classes + "\" x=\"" + coordinate(x) + "\" y=\"" + coordinate(y) + "\" width=\"" +
         coordinate(std::max(width, 0.5)) + "\" height=\"" + coordinate(height) + "\" rx=\"1.5\">" +
         tooltip(title) + "</rect>";
}

}  // namespace

std::string legend(const std::vector<HistogramPart>& parts) {
  std::vector<Series> names;
  for (const HistogramPart& p : parts) names.push_back({p.name, p.colour, Mark::kLine, {}});
  return legend(names);
}

std::vector<std::int64_t> binned(std::span<const double> values, double from, double to, std::size_t bins) {
  std::vector<std::int64_t> out(bins);
  for (const double x : values) {
    if (std::isnan(x)) continue;
    const double at = (x - from) / (to - from) * static_cast<double>(bins);
    ++out[static_cast<std::size_t>(std::clamp(at, 0.0, static_cast<double>(bins) - 0.5))];
  }
  return out;
}

std::string histogram_chart(const Histogram& h) {
  constexpr double kHeight = 190, kLeft = 42, kRight = 432, kFloor = 164, kTop = 8;
  const std::size_t bins = h.bins.size();
  std::vector<std::int64_t> totals(bins);
  for (const HistogramPart& part : h.parts)
    for (std::size_t b = 0; b < bins; ++b) totals[b] += part.counts[b];
  const double most =
      std::max<double>(1, totals.empty() ? 1 : static_cast<double>(*std::ranges::max_element(totals)));
  const Scale up{0, most, kFloor, kTop};
  std::string out =
      "<svg viewBox=\"0 0 " + coordinate(kChartWidth) + " " + coordinate(kHeight) + "\" role=\"img\">";
  const std::vector<double> lines = ticks(0, most, most < 4 ? static_cast<int>(most) : 4);
  for (const double t : lines) {
    out += svg_line(kLeft, up(t), kRight, up(t), "gridline");
    out += svg_text(kLeft - 6, up(t) + 4, "end", tick_text(t, lines.size() > 1 ? lines[1] : 1));
  }
  const double width = (kRight - kLeft) / static_cast<double>(std::max<std::size_t>(bins, 1));
  for (std::size_t b = 0; b < bins; ++b) {
    std::int64_t below = 0;
    for (const HistogramPart& part : h.parts) {
      const std::int64_t n = part.counts[b];
      const double floor = up(static_cast<double>(below)), top = up(static_cast<double>(below + n));
      below += n;
      const std::string what = part.name.empty() ? "" : part.name + ": ";
      if (n > 0)
        out += rect(kLeft + static_cast<double>(b) * width + 0.75, top, width - 1.5, floor - top,
                    std::string("bar ") + colour_class(part.colour),
                    h.bins[b] + "\n" + what + count_text(n) +
                        (h.parts.size() > 1 ? " of " + count_text(totals[b]) : ""));
    }
  }
  out += svg_line(kLeft, kFloor, kRight, kFloor, "axis");
  for (std::size_t i = 0; i < h.edges.size(); ++i) {
    const double share =
        h.edges.size() > 1 ? static_cast<double>(i) / static_cast<double>(h.edges.size() - 1) : 0.5;
    const bool last = i + 1 == h.edges.size() && i > 0;
    out += svg_text(kLeft + share * (kRight - kLeft), kFloor + 17,
                    i == 0 ? "start"
                    : last ? "end"
                           : "middle",
                    h.edges[i]);
  }
  return (h.parts.size() > 1 ? legend(h.parts) : "") + out + "</svg>";
}

std::string reliability_chart(std::span<const ReliabilityBin> bins) {
  constexpr double kHeight = 330;
  std::int64_t most = 1, all = 0;
  for (const ReliabilityBin& b : bins) {
    most = std::max(most, b.rows);
    all += b.rows;
  }
  Frame in = frame({0, 1}, {0, 1}, "predicted p(model_b)", kHeight);
  const double floor = in.y.begin;
  const auto count = static_cast<double>(bins.size());
  std::string dots;
  for (std::size_t i = 0; i < bins.size(); ++i) {
    const ReliabilityBin& b = bins[i];
    if (b.rows == 0) continue;
    const double from = static_cast<double>(i) / count, to = (static_cast<double>(i) + 1) / count;
    const std::string title = "p(model_b) " + number_text(from, 2) + " to " + number_text(to, 2) + ": " +
                              count_text(b.rows) + " rows, mean " + number_text(b.predicted, 3) +
                              ", observed " + number_text(b.observed, 3);
    const double height = 64 * static_cast<double>(b.rows) / static_cast<double>(most);
    in.svg +=
        rect(in.x(from) + 0.75, floor - height, in.x(to) - in.x(from) - 1.5, height, "bar grey faint", title);
    const double share = static_cast<double>(b.rows) / static_cast<double>(all);
    dots += "<circle class=\"dot blue\" cx=\"" + coordinate(in.x(b.predicted)) + "\" cy=\"" +
            coordinate(in.y(b.observed)) + "\" r=\"" + coordinate(3.5 + 14 * std::sqrt(share)) + "\">" +
            tooltip(title) + "</circle>";
  }
  in.svg += svg_line(in.x(0), in.y(0), in.x(1), in.y(1), "diagonal");
  return in.svg + dots + "</svg>";
}

std::string track_chart(const Track& t) {
  const Scale x{t.range.from, t.range.to, 0, 200};
  const auto bounded = [&](double v) { return std::clamp(x(v), 0.0, 200.0); };
  std::string out = "<svg viewBox=\"0 0 200 18\" preserveAspectRatio=\"none\" role=\"img\">" +
                    tooltip(t.title) +
                    "<rect x=\"0\" y=\"0\" width=\"200\" height=\"18\" fill=\"transparent\"/>" +
                    svg_line(0, 9, 200, 9, "gridline");
  if (std::isfinite(t.mark))
    out += "<line class=\"whisker orange\" stroke-width=\"2\" vector-effect=\"non-scaling-stroke\" x1=\"" +
           coordinate(bounded(t.mark)) + "\" y1=\"2\" x2=\"" + coordinate(bounded(t.mark)) + "\" y2=\"16\"/>";
  if (std::isfinite(t.estimate.low) && std::isfinite(t.estimate.high))
    out += "<line class=\"whisker blue\" stroke-width=\"2\" vector-effect=\"non-scaling-stroke\" x1=\"" +
           coordinate(bounded(t.estimate.low)) + "\" y1=\"9\" x2=\"" + coordinate(bounded(t.estimate.high)) +
           "\" y2=\"9\"/>";
  if (std::isfinite(t.estimate.value))
    out +=
        "<line class=\"whisker blue\" stroke-width=\"9\" stroke-linecap=\"round\" "
        "vector-effect=\"non-scaling-stroke\" x1=\"" +
        coordinate(bounded(t.estimate.value)) + "\" y1=\"9\" x2=\"" + coordinate(bounded(t.estimate.value)) +
        "\" y2=\"9\"/>";
  return out + "</svg>";
}

}  // namespace preferd::training
