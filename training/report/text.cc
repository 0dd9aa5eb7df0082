#include "training/report/text.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string_view>

#include "base/utf8.h"

namespace preferd::training {
namespace {

constexpr std::size_t kNameWidth = 30, kCellWidth = 26;

template <class... Values>
std::string formatted(const char* format, Values... values) {
  std::array<char, 128> text{};
  std::snprintf(text.data(), text.size(), format, values...);
  return text.data();
}

// Control characters would move the cursor.
std::string printable(std::string_view name) {
  std::string text(name);
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; },
      ' ');
  return utf8::repaired(text);
}

std::string padded(std::string text, std::size_t width) {
  const std::size_t length = utf8::length(text);
  return text + std::string(length < width ? width - length : 1, ' ');
}

std::string share(double x) { return std::isnan(x) ? "-" : formatted("%.1f %%", 100 * x); }

std::string interval(const Estimate& e, double scale, int decimals) {
  if (std::isnan(e.low)) return "";
  return formatted("  [%.*f, %.*f]", decimals, scale * e.low, decimals, scale * e.high);
}

std::string share(const Estimate& e) { return share(e.value) + interval(e, 100, 1); }

std::string number(const Estimate& e) {
  return std::isnan(e.value) ? "-" : formatted("%.4f", e.value) + interval(e, 1, 4);
}

std::string points(const Estimate& e) {
  return std::isnan(e.value) ? "-" : formatted("%+.1f", 100 * e.value) + interval(e, 100, 1);
}

std::string slices(const char* by, const std::vector<Slice>& all) {
  if (all.empty()) return "";
  std::string out = "\n" + padded(by, kNameWidth) + padded("rows", 8) + padded("accuracy", kCellWidth) +
                    padded("log-loss", kCellWidth) + "longer wins\n";
  for (std::size_t i = 0; i < std::min(all.size(), kListedSlices); ++i) {
    const Slice& s = all[i];
    out += padded(printable(s.name), kNameWidth) + padded(std::to_string(s.rows), 8) +
           padded(share(s.accuracy), kCellWidth) + padded(number(s.log_loss), kCellWidth) +
           share(s.longer_wins) + "\n";
  }
  if (all.size() > kListedSlices) out += std::to_string(all.size() - kListedSlices) + " more\n";
  return out;
}

}  // namespace

std::string evaluation_text(const Metrics& m) {
  std::string out;
  const auto line = [&](const char* name, const std::string& value) {
    out += padded(name, kNameWidth) + value + "\n";
  };
  line("rows", std::to_string(m.rows) + ", " + std::to_string(m.decided) + " with one labelled winner");
  line("accuracy", share(m.measures[kAccuracy]));
  line("log-loss", number(m.measures[kLogLoss]));
  line("Brier score", number(m.measures[kBrier]));
  line("calibration error (ECE)", number(m.measures[kEce]));
  line("AUC", number(m.measures[kAuc]));
  if (m.flips_known > 0) {
    line("winner flips with the order", share(m.measures[kFlipRate]));
    line("mean gap between the orders", number(m.measures[kOrderGap]));
  }
  if (m.resampling.draws > 0)
    out += "[, ]: 95 % bootstrap intervals, " + std::to_string(m.resampling.draws) + " draws\n";
  if (!m.baselines.empty()) {
    out += "\n" + padded("without a model", kNameWidth) + padded("", 8) + padded("accuracy", kCellWidth) +
           padded("gain of the model, points", kCellWidth) + "p (McNemar)\n";
    for (const Comparison& c : m.baselines)
      out += padded(c.name, kNameWidth) + padded("", 8) + padded(share(c.accuracy), kCellWidth) +
             padded(points(c.gain), kCellWidth) + formatted("%.2g", c.p_value) + "\n";
  }
  return out + slices("by source", m.sources) + slices("by language", m.languages) +
         slices("by length, tokens", m.lengths);
}

}  // namespace preferd::training
