#include "training/report/explore.h"

#include <algorithm>
#include <cmath>

#include "training/report/chart.h"

namespace preferd::training {
namespace {

constexpr std::size_t kShownGroups = 20, kShownModels = 40;

double ratio(std::int64_t part, std::int64_t all) {
  return all > 0 ? static_cast<double>(part) / static_cast<double>(all) : kUndefined;
}

// A bar of the three outcomes.
std::string outcome_bar(const Outcomes& o) {
  std::string out = "<svg viewBox=\"0 0 200 18\" preserveAspectRatio=\"none\" role=\"img\">";
  double at = 0;
  const std::array<std::pair<const char*, std::int64_t>, 3> parts = {
      {{"orange", o.model_a}, {"blue", o.model_b}, {"grey", o.tie}}};
  constexpr std::array<const char*, 3> kNames = {"model_a", "model_b", "tie"};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const double width = o.rows() > 0 ? 200 * ratio(parts[i].second, o.rows()) : 0;
    if (width > 0)
      out += "<rect class=\"bar " + std::string(parts[i].first) + "\" x=\"" + coordinate(at) +
             "\" y=\"3\" width=\"" + coordinate(width) + "\" height=\"12\"><title>" + kNames[i] + ": " +
             count_text(parts[i].second) + "</title></rect>";
    at += width;
  }
  return out + "</svg>";
}

std::string group_table(std::vector<GroupOutcomes> groups) {
  std::ranges::stable_sort(
      groups, [](const auto& a, const auto& b) { return a.outcomes.rows() > b.outcomes.rows(); });
  std::string out =
      "<div class=\"scroll\"><table><tr><th></th><th></th><th>a : b</th><th>ties</th><th>rows</th></tr>";
  for (std::size_t i = 0; i < std::min(groups.size(), kShownGroups); ++i) {
    const auto& [name, o] = groups[i];
    const std::string shown = escaped(name.empty() ? "unknown" : name);
    out += "<tr><td class=\"label\" title=\"";
    out += shown;
    out += "\">";
    out += shown;
    out += "</td><td class=\"track\">" + outcome_bar(o) + "</td><td>" +
           number_text(100 * ratio(o.model_a, o.decided()), 0) + " : " +
           number_text(100 * ratio(o.model_b, o.decided()), 0) + "</td><td>" +
           percent_text(ratio(o.tie, o.rows())) + "</td><td>" + count_text(o.rows()) + "</td></tr>";
  }
  out += "</table></div>";
  if (groups.size() > kShownGroups)
    out += "<p>" + count_text(static_cast<std::int64_t>(groups.size() - kShownGroups)) +
           " more have fewer rows.</p>";
  return out;
}

// Bins a factor of sqrt(2) apart, so that short and long texts both show.
std::string length_chart(const LengthSample& sample) {
  std::vector<std::int64_t> sorted = sample.values;
  std::ranges::sort(sorted);
  if (sorted.empty()) return "<p>no rows</p>";
  const auto place = [](std::int64_t n) {
    return static_cast<std::size_t>(2 * std::log2(static_cast<double>(std::max<std::int64_t>(n, 0) + 1)));
  };
  const std::size_t first = place(sorted.front()), last = place(sorted.back());
  const auto edge = [](double b) { return std::max<std::int64_t>(0, std::llround(std::exp2(b / 2)) - 1); };
  Histogram h;
  std::vector<std::int64_t> counts(last - first + 1);
  for (const std::int64_t n : sorted) ++counts[place(n) - first];
  for (std::size_t b = first; b <= last; ++b)
    h.bins.push_back(count_text(edge(static_cast<double>(b))) + " to " +
                     count_text(edge(static_cast<double>(b + 1))) + " " + sample.unit);
  h.edges = {count_text(edge(static_cast<double>(first))), count_text(edge(static_cast<double>(last + 1)))};
  if (last - first > 3)
    h.edges.insert(h.edges.begin() + 1, count_text(edge(static_cast<double>(first + last + 1) / 2)));
  h.parts = {{"", Colour::kBlue, std::move(counts)}};
  const auto at = [&](double share) {
    return count_text(sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))]);
  };
  return histogram_chart(h) + "<p>median " + at(0.5) + ", 95 % up to " + at(0.95) + ", longest " + at(1) +
         " " + escaped(sample.unit) + "</p>";
}

std::string models_table(std::vector<ModelRecord> models) {
  std::erase_if(models, [](const ModelRecord& m) { return m.wins + m.losses + m.ties == 0; });
  std::ranges::stable_sort(models, [](const auto& a, const auto& b) {
    return a.wins + a.losses + a.ties > b.wins + b.losses + b.ties;
  });
  const std::size_t hidden = models.size() > kShownModels ? models.size() - kShownModels : 0;
  models.resize(models.size() - hidden);
  std::ranges::stable_sort(models, std::greater<>{},
                           [](const ModelRecord& m) { return wilson(m.wins, m.wins + m.losses).low; });
  std::string out =
      "<div class=\"scroll\"><table><tr><th></th><th></th><th>wins</th><th "
      "class=\"narrow-hide\">ties</th><th>battles</th></tr>";
  for (const ModelRecord& m : models) {
    const Estimate share = wilson(m.wins, m.wins + m.losses);
    const std::string title = m.name + ": won " + count_text(m.wins) + ", lost " + count_text(m.losses) +
                              " (" + interval_text(share) + ")";
    out += "<tr><td class=\"label\" title=\"" + escaped(m.name) + "\">" + escaped(m.name) +
           "</td><td class=\"track\">" + track_chart({{0, 1}, share, 0.5, title}) + "</td><td>" +
           percent_text(share.value) + "</td><td class=\"narrow-hide\">" + count_text(m.ties) + "</td><td>" +
           count_text(m.wins + m.losses + m.ties) + "</td></tr>";
  }
  out += "</table></div>";
  if (hidden > 0)
    out += "<p>" + count_text(static_cast<std::int64_t>(hidden)) + " more have fewer battles.</p>";
  return out;
}

std::string tiles(const ExploreReport& r) {
  const Estimate a = wilson(r.outcomes.model_a, r.outcomes.decided());
  const LengthOutcomes& l = r.lengths_won;
  const Estimate longer = wilson(l.longer_won, l.longer_won + l.shorter_won);
  const std::int64_t duplicates = r.repeated + r.contradictory;
  std::string out = "<div class=\"tiles\">";
  out += tile("rows", count_text(r.outcomes.rows()),
              r.prompts > 0 ? count_text(r.prompts) + " distinct prompts" : "");
  out += tile("ties", percent_text(ratio(r.outcomes.tie, r.outcomes.rows())),
              count_text(r.outcomes.tie) + " rows");
  out += tile("model_a wins", percent_text(a.value), interval_text(a));
  out += tile("longer response wins", percent_text(longer.value), interval_text(longer));
  out += tile("duplicates", count_text(duplicates), count_text(r.contradictory) + " contradict each other");
  out += tile("bad rows", count_text(r.bad_rows), r.bad_rows > 0 ? "listed below" : "");
  return out + "</div>";
}

}  // namespace

Estimate wilson(std::int64_t successes, std::int64_t n) {
  if (n == 0) return {};
  constexpr double z = 1.959963984540054;
  const double count = static_cast<double>(n), share = static_cast<double>(successes) / count;
  const double middle = (share + z * z / (2 * count)) / (1 + z * z / count);
  const double half =
      z / (1 + z * z / count) * std::sqrt(share * (1 - share) / count + z * z / (4 * count * count));
  return {share, std::max(0.0, middle - half), std::min(1.0, middle + half)};
}

std::string explore_html(const ExploreReport& r) {
  const std::string colours = legend(std::vector<HistogramPart>{
      {"model_a won", Colour::kOrange, {}}, {"model_b won", Colour::kBlue, {}}, {"tie", Colour::kGrey, {}}});
  std::string body = tiles(r) + facts_list(r.facts);
  body += section("Who won",
                  "a : b is per hundred rows that a response has won; far from 50 : 50 means that votes "
                  "depend on the side, "
                  "or that sides were not drawn at random.",
                  colours + cards(CardWidth::kWide, {card("All rows", group_table({{"all", r.outcomes}})),
                                                     card("By source", group_table(r.sources)),
                                                     card("By language", group_table(r.languages))}));
  std::vector<std::string> charts;
  for (const LengthSample& sample : r.lengths)
    charts.push_back(card(sample.name + ", " + sample.unit, length_chart(sample)));
  if (!charts.empty())
    body += section("Lengths", "Bins grow by a factor of the square root of two.",
                    cards(CardWidth::kNarrow, charts));
  if (!r.models.empty())
    body += section("Models",
                    "Share of won among won and lost rows, with 95 % Wilson intervals, sorted by their lower "
                    "end. Opponents differ from model to model: this is no rating.",
                    card("", models_table(r.models)));
  if (!r.bad_samples.empty()) {
    std::string list = "<ul class=\"plain\">";
    for (const std::string& line : r.bad_samples) list += "<li>" + escaped(shortened(line, 400)) + "</li>";
    body += section("Bad rows", "The first of " + count_text(r.bad_rows) + ".", card("", list + "</ul>"));
  }
  return page(r.name, r.subtitle, body);
}

}  // namespace preferd::training
