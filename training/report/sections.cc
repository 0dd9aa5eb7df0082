#include "training/report/sections.h"

#include <algorithm>
#include <cmath>

#include "training/report/chart.h"
#include "training/report/html.h"

namespace preferd::training {
namespace {

constexpr std::size_t kOpenErrors = 8;  // the others are folded away
constexpr std::array<const char*, 4> kWinners = {"model_a", "model_b", "tie", "no single winner"};

std::string confusion_table(const Metrics& m) {
  const auto classes = static_cast<std::size_t>(m.classes);
  std::string out = "<table class=\"confusion\"><tr><th>label ↓ predicted →</th>";
  for (std::size_t c = 0; c < classes; ++c) out += std::string("<th>") + kWinners[c] + "</th>";
  out += "</tr>";
  for (std::size_t label = 0; label < m.confusion.size(); ++label) {
    std::int64_t all = 0;
    for (const std::int64_t n : m.confusion[label]) all += n;
    if (label >= classes && all == 0) continue;
    out += std::string("<tr><td>") + kWinners[label] + "</td>";
    for (std::size_t c = 0; c < classes; ++c) {
      const double share =
          all > 0 ? static_cast<double>(m.confusion[label][c]) / static_cast<double>(all) : 0;
      out += "<td class=\"shade\" style=\"--share:" + coordinate(share) + "\">" +
             count_text(m.confusion[label][c]) + "<br><small>" + (all > 0 ? percent_text(share) : "–") +
             "</small></td>";
    }
    out += "</tr>";
  }
  return out + "</table>";
}

std::string probability_histogram(std::span<const Prediction> predictions) {
  constexpr std::size_t kBins = 20;
  constexpr std::array kColours = {Colour::kOrange, Colour::kBlue, Colour::kGrey};
  constexpr std::array<const char*, 3> kNames = {"model_a won", "model_b won", "neither"};
  Histogram h;
  for (std::size_t b = 0; b < kBins; ++b)
    h.bins.push_back("p(model_b) " + number_text(0.05 * static_cast<double>(b), 2) + " to " +
                     number_text(0.05 * static_cast<double>(b + 1), 2));
  h.edges = {"0", "0.25", "0.5", "0.75", "1"};
  for (std::size_t part = 0; part < 3; ++part) {
    std::vector<double> values;
    for (const Prediction& p : predictions)
      if (const int winner = std::min(2, labelled_winner(p).value_or(2)); winner == static_cast<int>(part))
        values.push_back(p.probability[1]);
    if (!values.empty()) h.parts.push_back({kNames[part], kColours[part], binned(values, 0, 1, kBins)});
  }
  return histogram_chart(h);
}

std::string slice_table(const std::vector<Slice>& slices, Range range) {
  std::string out =
      "<div class=\"scroll\"><table><tr><th></th><th></th><th>accuracy</th><th "
      "class=\"narrow-hide\">log-loss</th><th>rows</th></tr>";
  for (std::size_t i = 0; i < std::min(slices.size(), kShownSlices); ++i) {
    const Slice& s = slices[i];
    const std::string title = s.name + ": accuracy " + percent_text(s.accuracy.value) + " (" +
                              interval_text(s.accuracy) + ") on " + count_text(s.decided) +
                              " rows; longer response wins " + percent_text(s.longer_wins);
    out += "<tr><td class=\"label\" title=\"" + escaped(s.name) + "\">" + escaped(s.name) +
           "</td><td class=\"track\">" + track_chart({range, s.accuracy, s.longer_wins, title}) +
           "</td><td>" + percent_text(s.accuracy.value) + "</td><td class=\"narrow-hide\">" +
           number_text(s.log_loss.value, 3) + "</td><td>" + count_text(s.rows) + "</td></tr>";
  }
  out += "</table></div>";
  if (slices.size() > kShownSlices)
    out += "<p>" + count_text(static_cast<std::int64_t>(slices.size() - kShownSlices)) +
           " more, with fewer rows, are in evaluation.json.</p>";
  return out;
}

// One scale for all tables of slices, from the slices with enough rows to be meaningful.
Range shared_range(const Metrics& m) {
  std::vector<double> ends;
  for (const auto* slices : {&m.languages, &m.lengths, &m.sources})
    for (const Slice& s : *slices)
      if (s.decided >= 20) {
        ends.push_back(s.accuracy.low);
        ends.push_back(s.accuracy.high);
        ends.push_back(s.longer_wins);
      }
  const Range wide = range_of(ends);
  const Range inside{std::max(0.0, wide.from), std::min(1.0, wide.to)};
  return inside.from < inside.to ? inside : Range{};
}

}  // namespace

std::string headline(const Metrics& m) {
  const auto& of = m.measures;
  const std::string rows =
      m.decided < m.rows ? count_text(m.decided) + " with a winner" : "all with a winner";
  std::string out = "<div class=\"tiles\">";
  out += tile("accuracy", percent_text(of[kAccuracy].value), interval_text(of[kAccuracy]));
  out += tile("log-loss", number_text(of[kLogLoss].value, 4), range_text(of[kLogLoss], 4));
  out += tile("AUC", number_text(of[kAuc].value, 3), range_text(of[kAuc], 3));
  out += tile("calibration error", percent_text(of[kEce].value), interval_text(of[kEce]));
  out += tile("Brier score", number_text(of[kBrier].value, 4), range_text(of[kBrier], 4));
  out += tile("rows", count_text(m.rows), rows);
  return out + "</div>";
}

std::string calibration_section(const Metrics& m, std::span<const Prediction> predictions) {
  return section(
      "Probabilities",
      "Dots on the diagonal mean that stated probabilities match what happens. Point at a dot or a bar to "
      "see its counts.",
      cards(CardWidth::kNarrow, {card("Reliability", reliability_chart(m.reliability)),
                                 card("Distribution of p(model_b)", probability_histogram(predictions)),
                                 card("Confusion", confusion_table(m))}));
}

std::string baselines_section(const Metrics& m) {
  std::string table =
      "<div class=\"scroll\"><table><tr><th></th><th>accuracy</th><th class=\"narrow-hide\">95 %</th>"
      "<th class=\"narrow-hide\">log-loss</th><th>better by</th><th>95 %</th><th>p</th></tr>";
  table += "<tr><td>this model</td><td>" + percent_text(m.measures[kAccuracy].value) +
           "</td><td class=\"narrow-hide\">" + interval_text(m.measures[kAccuracy]) +
           "</td><td class=\"narrow-hide\">" + number_text(m.measures[kLogLoss].value, 4) +
           "</td><td></td><td></td><td></td></tr>";
  for (const Comparison& c : m.baselines)
    table += "<tr><td>" + escaped(c.name) + "</td><td>" + percent_text(c.accuracy.value) +
             "</td><td class=\"narrow-hide\">" + interval_text(c.accuracy) +
             "</td><td class=\"narrow-hide\">" + number_text(c.log_loss.value, 4) + "</td><td>" +
             percent_text(c.gain.value) + "</td><td>" + interval_text(c.gain) + "</td><td>" +
             (c.p_value < 0.0001 ? "&lt; 0.0001" : number_text(c.p_value, 4)) + "</td></tr>";
  return section("Against baselines",
                 "“Better by” is the difference on the same rows (paired bootstrap); p is "
                 "McNemar's exact test. Text features are "
                 "predicted out of fold.",
                 card("", table + "</table></div>"));
}

std::string slices_section(const Metrics& m) {
  const Range range = shared_range(m);
  const std::string note =
      "Dots are accuracies, bars their 95 % intervals, orange strokes what the longer response "
      "would have won; tracks run from " +
      percent_text(range.from) + " to " + percent_text(range.to) + ".";
  return section("Where it is right", note,
                 cards(CardWidth::kWide, {card("By length in tokens", slice_table(m.lengths, range)),
                                          card("By language", slice_table(m.languages, range)),
                                          card("By source", slice_table(m.sources, range))}));
}

std::string order_section(const Metrics& m, std::span<const Prediction> predictions) {
  std::vector<double> gaps;
  for (const Prediction& p : predictions)
    if (p.order_gap && std::isfinite(*p.order_gap)) gaps.push_back(*p.order_gap);
  if (gaps.empty() && m.flips_known == 0) return "";
  std::vector<std::string> shown;
  const Estimate &flips = m.measures[kFlipRate], &gap = m.measures[kOrderGap];
  std::string figures = "<div class=\"tiles\" style=\"margin-top:0\">";
  if (m.flips_known > 0) figures += tile("winner changes", percent_text(flips.value), interval_text(flips));
  figures += tile("mean gap", number_text(gap.value, 4), range_text(gap, 4));
  const std::int64_t both = std::max(m.flips_known, static_cast<std::int64_t>(gaps.size()));
  figures += tile("rows in both orders", count_text(both), "");
  shown.push_back(figures + "</div>");
  if (!gaps.empty()) {
    constexpr std::size_t kBins = 20;
    const double most = std::max(1e-6, *std::ranges::max_element(gaps));
    Histogram h{{},
                {"0", number_text(most / 2, 3), number_text(most, 3)},
                {{"", Colour::kBlue, binned(gaps, 0, most, kBins)}}};
    for (std::size_t b = 0; b < kBins; ++b)
      h.bins.push_back("gap " + number_text(most * static_cast<double>(b) / kBins, 3) + " to " +
                       number_text(most * static_cast<double>(b + 1) / kBins, 3));
    shown.push_back(card("Gap between a probability and its mirror", histogram_chart(h)));
  }
  return section("Order of the responses", "What changes when response_a and response_b trade places.",
                 cards(CardWidth::kWide, shown));
}

std::string errors_section(std::span<const Prediction> predictions) {
  const std::vector<std::size_t> worst = confident_errors(predictions, kShownErrors);
  if (worst.empty()) return "";
  std::string first, rest;
  for (std::size_t n = 0; n < worst.size(); ++n) {
    std::string& out = n < kOpenErrors ? first : rest;
    const Prediction& p = predictions[worst[n]];
    const int label = *labelled_winner(p), said = predicted_winner(p);
    out += "<article class=\"error\"><h3><span class=\"badge red\">said " +
           std::string(kWinners[static_cast<std::size_t>(said)]) + " with " +
           percent_text(p.probability[static_cast<std::size_t>(said)]) +
           "</span><span class=\"badge green\">people: " + kWinners[static_cast<std::size_t>(label)] +
           "</span><small>" + escaped(shortened(p.id, 80));
    for (const std::string& of : {p.source, p.language})
      if (!of.empty()) out += " · " + escaped(shortened(of, 60));
    out += " · " + count_text(p.tokens) + " tokens</small></h3>";
    const auto quote = [&](const char* who, const std::string& text) {
      return "<div><p class=\"who\">" + std::string(who) + "</p><p class=\"quote\" dir=\"auto\">" +
             escaped(shortened(text, kExcerpt)) + "</p></div>";
    };
    if (!p.prompt.empty()) out += quote("prompt", p.prompt);
    if (!p.response_a.empty() || !p.response_b.empty())
      out += "<div class=\"pair\">" + quote("response_a", p.response_a) + quote("response_b", p.response_b) +
             "</div>";
    out += "</article>";
  }
  if (!rest.empty())
    first += "<div class=\"more\">" +
             details(count_text(static_cast<std::int64_t>(worst.size() - kOpenErrors)) + " more", rest) +
             "</div>";
  return section("Most confident errors", "Rows whose labelled winner was missed, most confident first.",
                 first);
}

}  // namespace preferd::training
