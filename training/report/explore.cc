#include "training/report/explore.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "training/report/chart.h"

namespace preferd::training {
namespace {

constexpr std::size_t kShownGroups = 20, kShownModels = 40;
constexpr std::size_t kShownLine = 400;  // code points of a bad row's message

std::string count_of(std::uint64_t n) { return count_text(static_cast<std::int64_t>(n)); }

double ratio(std::uint64_t part, std::uint64_t all) {
  return all > 0 ? static_cast<double>(part) / static_cast<double>(all) : kUndefined;
}

// A bar of the outcomes.
std::string outcome_bar(const Outcomes& o) {
  std::string out = "<svg viewBox=\"0 0 200 18\" preserveAspectRatio=\"none\" role=\"img\">";
  double at = 0;
  const std::array<std::tuple<const char*, const char*, std::uint64_t>, 3> parts = {
      {{"orange", "model_a", o.model_a}, {"blue", "model_b", o.model_b}, {"grey", "tie", o.tie}}};
  for (const auto& [colour, name, rows] : parts) {
    const double width = o.total() > 0 ? 200 * ratio(rows, o.total()) : 0;
    if (width > 0)
      out += "<rect class=\"bar " + std::string(colour) + "\" x=\"" + coordinate(at) + "\" y=\"3\" width=\"" +
             coordinate(width) + "\" height=\"12\"><title>" + name + ": " + count_of(rows) +
             "</title></rect>";
    at += width;
  }
  return out + "</svg>";
}

std::string group_table(const std::map<std::string, Outcomes>& by_name) {
  std::vector<std::pair<std::string, Outcomes>> groups(by_name.begin(), by_name.end());
  std::ranges::stable_sort(groups,
                           [](const auto& a, const auto& b) { return a.second.total() > b.second.total(); });
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
           percent_text(ratio(o.tie, o.total())) + "</td><td>" + count_of(o.total()) + "</td></tr>";
  }
  out += "</table></div>";
  if (groups.size() > kShownGroups)
    out += "<p>" + count_of(groups.size() - kShownGroups) + " more have fewer rows.</p>";
  return out;
}

std::string length_chart(const Lengths& lengths, const char* unit) {
  Histogram h;
  std::vector<std::int64_t> counts;
  const auto bars = lengths.bars();
  const auto first = std::ranges::find_if(bars, [](const Lengths::Bar& b) { return b.count > 0; });
  for (auto bar = first; bar != bars.end(); ++bar) {
    counts.push_back(static_cast<std::int64_t>(bar->count));
    h.bins.push_back(count_of(bar->from) + " to " + count_of(bar->to - 1) + " " + unit);
  }
  if (counts.empty()) return "<p>no rows</p>";
  const std::size_t middle = counts.size() / 2;
  h.edges = {count_of(first->from), count_of(bars.back().to)};
  if (counts.size() > 3 && counts.size() % 2 == 0)
    h.edges.insert(h.edges.begin() + 1, count_of((first + static_cast<std::ptrdiff_t>(middle))->from));
  h.parts = {{"", Colour::kBlue, std::move(counts)}};
  return histogram_chart(h) + "<p>median " + count_of(lengths.quantile(0.5)) + ", 95 % up to " +
         count_of(lengths.quantile(0.95)) + ", longest " + count_of(lengths.max()) + " " + unit + "</p>";
}

std::string models_table(const SplitFacts& f) {
  const std::size_t shown = std::min(f.models.size(), kShownModels);
  std::vector<ModelRecord> models(f.models.begin(), f.models.begin() + static_cast<std::ptrdiff_t>(shown));
  const auto low = [](const ModelRecord& m) {
    const double end = wilson(m.wins, m.wins + m.losses).low;
    return std::isnan(end) ? -1 : end;
  };
  std::ranges::stable_sort(models, [&](const auto& a, const auto& b) { return low(a) > low(b); });
  std::string out =
      "<div class=\"scroll\"><table><tr><th></th><th></th><th>wins</th><th "
      "class=\"narrow-hide\">ties</th><th>battles</th></tr>";
  for (const ModelRecord& m : models) {
    const Estimate share = wilson(m.wins, m.wins + m.losses);
    const std::string title = m.name + ": won " + count_of(m.wins) + ", lost " + count_of(m.losses) + " (" +
                              interval_text(share) + ")";
    out += "<tr><td class=\"label\" title=\"" + escaped(m.name) + "\">" + escaped(m.name) +
           "</td><td class=\"track\">" + track_chart({{0, 1}, share, 0.5, title}) + "</td><td>" +
           percent_text(share.value) + "</td><td class=\"narrow-hide\">" + count_of(m.ties) + "</td><td>" +
           count_of(m.games()) + "</td></tr>";
  }
  out += "</table></div>";
  if (f.models.size() > shown)
    out += "<p>" + count_of(f.models.size() - shown) + " more have fewer battles.</p>";
  return out;
}

std::string tiles(const SplitFacts& f) {
  const Estimate a = wilson(f.outcomes.model_a, f.outcomes.decided());
  const Estimate longer = wilson(f.longer_won, f.different_length);
  std::string out = "<div class=\"tiles\">";
  out += tile("rows", count_of(f.rows), count_of(f.prompts) + " distinct prompts");
  out += tile("ties", percent_text(ratio(f.outcomes.tie, f.outcomes.total())),
              count_of(f.outcomes.tie) + " rows");
  out += tile("model_a wins", percent_text(a.value), interval_text(a));
  out += tile("longer response wins", percent_text(longer.value), interval_text(longer));
  out += tile("duplicates", count_of(f.repeated + f.contradictory),
              count_of(f.contradictory) + " contradict each other");
  out += tile("bad rows", count_of(f.bad), f.bad > 0 ? "listed below" : "");
  if (f.outcomes.unlabelled > 0) out += tile("without label", count_of(f.outcomes.unlabelled), "");
  return out + "</div>";
}

std::string lengths_section(const SplitFacts& f, const std::string& of) {
  std::vector<std::string> charts = {
      card("prompt, characters", length_chart(f.prompt_chars, "characters")),
      card("responses, characters", length_chart(f.response_chars, "characters"))};
  if (f.pair_tokens.count() > 0) {
    charts.push_back(card("prompt, tokens", length_chart(f.prompt_tokens, "tokens")));
    charts.push_back(card("responses, tokens", length_chart(f.response_tokens, "tokens")));
    charts.push_back(card("prompt and both responses, tokens", length_chart(f.pair_tokens, "tokens")));
  }
  return section("Lengths" + of, "Each bin is twice as wide as the one before.",
                 cards(CardWidth::kNarrow, charts));
}

std::string split(const SplitFacts& f, const std::string& of) {
  const std::string colours = legend(std::vector<HistogramPart>{
      {"model_a won", Colour::kOrange, {}}, {"model_b won", Colour::kBlue, {}}, {"tie", Colour::kGrey, {}}});
  std::string body = section(
      "Who won" + of,
      "a : b is per hundred rows that a response has won; far from 50 : 50 means that votes depend on the "
      "side, or that sides were not drawn at random.",
      colours + cards(CardWidth::kWide, {card("All rows", group_table({{"all", f.outcomes}})),
                                         card("By source", group_table(f.by_source)),
                                         card("By language", group_table(f.by_language))}));
  body += lengths_section(f, of);
  if (!f.models.empty())
    body += section("Models" + of,
                    "Share of won among won and lost rows, with 95 % Wilson intervals, sorted by their lower "
                    "end. Opponents differ from model to model: this is not a rating.",
                    card("", models_table(f)));
  return body;
}

std::string bad_rows(const DataFacts& d) {
  if (d.bad_rows.empty()) return "";
  std::string list = "<ul class=\"plain\">";
  for (const std::string& line : d.bad_rows) list += "<li>" + escaped(shortened(line, kShownLine)) + "</li>";
  return section("Bad rows", "The first of " + count_of(d.train.bad + d.valid.bad) + ".",
                 card("", list + "</ul>"));
}

}  // namespace

Estimate wilson(std::uint64_t successes, std::uint64_t n) {
  if (n == 0) return {};
  constexpr double z = 1.959963984540054;
  const double count = static_cast<double>(n), share = static_cast<double>(successes) / count;
  const double middle = (share + z * z / (2 * count)) / (1 + z * z / count);
  const double half =
      z / (1 + z * z / count) * std::sqrt(share * (1 - share) / count + z * z / (4 * count * count));
  return {share, std::max(0.0, middle - half), std::min(1.0, middle + half)};
}

std::string explore_html(const ExploreReport& r) {
  const DataFacts& d = r.data;
  const bool has_train = d.train.rows + d.train.bad > 0, has_valid = d.valid.rows + d.valid.bad > 0;
  std::string body;
  if (has_train || !has_valid) body += tiles(d.train) + facts_list(r.facts);
  if (has_valid) {
    const std::string shared =
        count_of(d.shared_prompts) + " prompts and " + count_of(d.shared_pairs) + " whole pairs";
    body += has_train ? section("Validation", shared + " stand in the training files too.", tiles(d.valid))
                      : tiles(d.valid) + facts_list(r.facts);
  }
  if (has_train || !has_valid) body += split(d.train, has_valid ? ": training" : "");
  if (has_valid) body += split(d.valid, has_train ? ": validation" : "");
  return page(r.name, r.subtitle, body + bad_rows(d));
}

}  // namespace preferd::training
