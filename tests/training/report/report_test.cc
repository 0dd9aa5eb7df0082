#include <gmock/gmock.h>

#include <fstream>
#include <set>

#include "tests/training/report/sample.h"
#include "training/report/chart.h"

namespace preferd::training {
namespace {

// What a strict reader has against a page: tags that do not nest, attributes without quotes, scripts,
// addresses.
std::string objection(const std::string& html) {
  const std::set<std::string> empty = {"meta", "br", "!doctype"};
  std::vector<std::string> open;
  for (std::size_t at = html.find('<'); at != std::string::npos; at = html.find('<', at)) {
    const std::size_t end = html.find('>', at);
    if (end == std::string::npos) return "a tag without end";
    std::string tag, whole = html.substr(at + 1, end - at - 1);
    bool quoted = false;
    for (const char c : whole) {
      if (c == '"') quoted = !quoted;
      if (c == '"' || !quoted) tag += c;
    }
    at = end;
    const std::string name = tag.substr(0, tag.find_first_of(" /", 1));
    if (quoted) return "an attribute's quotes in <" + whole + ">";
    if (tag[0] == '/') {
      if (open.empty() || open.back() != tag.substr(1))
        return "<" + tag + "> closes " + (open.empty() ? "nothing" : open.back());
      open.pop_back();
    } else if (tag.back() != '/' && !empty.contains(name)) {
      open.push_back(name);
    }
    for (const char* word : {"script", "iframe", "img", "object", "embed", "link", "a", "base", "form"})
      if (name == word) return "<" + tag + ">";
    if (tag.find(" on") != std::string::npos) return "a handler in <" + tag + ">";
    for (const char* word : {" src=", " href=", "url("})
      if (tag.find(word) != std::string::npos) return "an address in <" + tag + ">";
  }
  return open.empty() ? "" : "<" + open.back() + "> stays open";
}

void keep(const std::string& name, const std::string& html) {
  std::ofstream(std::string(PREFERD_BUILD) + "/sample_" + name + ".html") << html;
}

constexpr const char* kHostile =
    "</title></style></pre><script>alert(1)</script><img src=x onerror=\"alert(2)\">' \" & &lt; \xff\xc0 "
    "\x01 \u202E]]>";

TEST(Escaped, LeavesNothingThatABrowserWouldObey) {
  EXPECT_EQ(escaped("<a href=\"x\" b='y'>&amp;"), "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;amp;");
  EXPECT_EQ(escaped(std::string_view("a\0b\tc\nd\x7f", 8)), "a\uFFFDb\tc\nd\uFFFD");
  EXPECT_EQ(escaped("\xff"), "\uFFFD");
}

TEST(Shortened, CutsBetweenCodePoints) {
  EXPECT_EQ(shortened("日本語", 2), "日本…");
  EXPECT_EQ(shortened("日本語", 3), "日本語");
  EXPECT_EQ(shortened("", 0), "");
}

TEST(Numbers, AreForPeople) {
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(-1234567), "−1\u2009234\u2009567");
  EXPECT_EQ(percent_text(0.6336), "63.4\u2009%");
  EXPECT_EQ(percent_text(kUndefined), "–");
  EXPECT_EQ(number_text(-0.00001, 2), "0.00");
  EXPECT_EQ(coordinate(-0.001), "0");
  EXPECT_EQ(coordinate(12.5), "12.5");
  EXPECT_EQ(coordinate(kUndefined), "0");
}

TEST(Ticks, AreRound) {
  const std::vector<double> t = ticks(0.61, 0.72, 5);
  ASSERT_GE(t.size(), 4u);
  EXPECT_NEAR(t[0], 0.62, 1e-12);
  EXPECT_EQ(tick_text(t[0], t[1] - t[0]), "0.62");
  EXPECT_EQ(tick_text(2.5e-5, 1e-5), "2.5e-5");
  EXPECT_EQ(tick_text(1e-4, 5e-5), "1e-4");
  EXPECT_EQ(tick_text(25000, 5000), "25k");
}

TEST(Smoothed, StartsUnbiased) {
  const auto s = smoothed({{1, 2}, {2, kUndefined}, {3, 2}, {4, 6}}, 0.5);
  ASSERT_EQ(s.size(), 3u);
  EXPECT_DOUBLE_EQ(s[0].y, 2);
  EXPECT_DOUBLE_EQ(s[2].y, (0.125 * 2 + 0.25 * 2 + 0.5 * 6) / 0.875);
}

TEST(Binned, TakesWhatLiesBeyondIntoTheEnds) {
  const std::vector<double> values = {-1, 0, 0.49, 0.5, 1, 7, kUndefined};
  EXPECT_THAT(binned(values, 0, 1, 2), testing::ElementsAre(3, 3));
}

TEST(Wilson, IsTheIntervalOfTheBook) {
  const Estimate e = wilson(7, 10);
  EXPECT_NEAR(e.low, 0.39677815, 1e-7);
  EXPECT_NEAR(e.high, 0.89220871, 1e-7);
  EXPECT_TRUE(std::isnan(wilson(0, 0).value));
}

TEST(Pages, AreWellFormed) {
  const auto two = sample_predictions(600, 2), three = sample_predictions(500, 3);
  const RunReport run = sample_run(two);
  keep("run", run_html(run));
  EXPECT_EQ(objection(run_html(run)), "");
  const EvaluationReport ternary = sample_run(three).evaluation;
  keep("evaluation", evaluation_html(ternary));
  EXPECT_EQ(objection(evaluation_html(ternary)), "");
  keep("explore", explore_html(sample_data()));
  EXPECT_EQ(objection(explore_html(sample_data())), "");
}

TEST(Pages, OfNothingAreStillPages) {
  RunReport run;
  run.evaluation.metrics = evaluate({}, {}, {});
  EXPECT_EQ(objection(run_html(run)), "");
  EXPECT_EQ(objection(evaluation_html(run.evaluation)), "");
  EXPECT_EQ(objection(explore_html({})), "");
  EXPECT_THAT(run_html(run), testing::Not(testing::HasSubstr("nan")));
}

TEST(Pages, SurviveOnePoint) {
  RunReport run;
  auto rows = sample_predictions(1, 2);
  run.evaluation.predictions = rows;
  run.evaluation.metrics = evaluate(rows, {}, {});
  run.train = {{1, 0, kUndefined, 0, INFINITY}, {2, 0, 0.7, 0, 0}};
  run.validation = {{2, 0.7, 0.5}};
  EXPECT_EQ(objection(run_html(run)), "");
  EXPECT_THAT(run_html(run),
              testing::Not(testing::AnyOf(testing::HasSubstr("nan"), testing::HasSubstr("inf "))));
}

TEST(Pages, ShowHostileTextAsText) {
  auto rows = sample_predictions(60, 2);
  for (Prediction& p : rows) {
    p.id = p.source = p.language = kHostile;
    p.prompt = p.response_a = p.response_b = kHostile;
  }
  RunReport run = sample_run(rows);
  run.config = run.evaluation.name = run.evaluation.subtitle = kHostile;
  run.evaluation.facts = {{kHostile, kHostile}};
  ExploreReport data = sample_data();
  data.name = data.subtitle = kHostile;
  data.facts = {{kHostile, kHostile}};
  data.data.bad_rows = {kHostile};
  data.data.train.by_source = {{kHostile, {1, 1, 1}}};
  data.data.train.by_language = {{kHostile, {1, 0, 0}}};
  data.data.train.models = {{kHostile, 1, 1, 1}};
  for (const std::string& html : {run_html(run), evaluation_html(run.evaluation), explore_html(data)}) {
    EXPECT_EQ(objection(html), "");
    EXPECT_THAT(html, testing::Not(testing::HasSubstr("<script")));
    EXPECT_THAT(html, testing::HasSubstr("&lt;script&gt;alert(1)&lt;/script&gt;"));
    EXPECT_EQ(html.find('\xff'), std::string::npos);
  }
}

}  // namespace
}  // namespace preferd::training
