#include "training/report/axis.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace preferd::training {
namespace {

double round_step(double span, int wanted) {
  const double rough = span / std::max(1, wanted);
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  const double lead = rough / power;
  return power * (lead <= 1.5 ? 1 : lead <= 3.5 ? 2 : lead <= 7.5 ? 5 : 10);
}

}  // namespace

std::vector<double> ticks(double from, double to, int wanted) {
  const double step = round_step(to - from, wanted);
  std::vector<double> out;
  for (double i = std::ceil(from / step - 1e-9); i * step <= to + 1e-9 * step; ++i) out.push_back(i * step);
  return out;
}

std::string tick_text(double x, double step) {
  char text[32];
  if (x == 0) return "0";
  if (std::abs(x) >= 1e6)
    std::snprintf(text, sizeof text, "%gM", std::round(x / 1e4) / 100);
  else if (std::abs(x) >= 1e4)
    std::snprintf(text, sizeof text, "%gk", std::round(x / 10) / 100);
  else if (step < 1e-3) {
    const int power = static_cast<int>(std::floor(std::log10(std::abs(x)) + 1e-9));
    std::snprintf(text, sizeof text, "%.3ge%d", x / std::pow(10.0, power), power);
  } else
    std::snprintf(text, sizeof text, "%.*f",
                  std::max(0, static_cast<int>(std::ceil(-std::log10(step) - 1e-9))), x);
  return text;
}

Range range_of(const std::vector<double>& values) {
  double low = 0, high = 0;
  bool any = false;
  for (const double x : values) {
    if (!std::isfinite(x)) continue;
    low = any ? std::min(low, x) : x;
    high = any ? std::max(high, x) : x;
    any = true;
  }
  if (!any) return {};
  const double margin = high > low ? 0.06 * (high - low) : std::max(0.5 * std::abs(low), 1e-9);
  return {low - margin, high + margin};
}

}  // namespace preferd::training
