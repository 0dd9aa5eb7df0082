#include "server/metrics.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace preferd::server {
namespace {

constexpr const char* kPage = PREFERD_FIXTURES "/../../docs/metrics.md";

// The table of docs/metrics.md.
std::string table(const Metrics& metrics) {
  std::string out = "| metric | kind | labels | says |\n|---|---|---|---|\n";
  for (const MetricFamily& f : metrics.families()) {
    const std::string says = f.help.substr(0, f.help.size() - f.help.ends_with('.'));
    out += "| `" + f.name + "` | " + f.kind + " | " + f.labels + " | " + says + " |\n";
  }
  return out;
}

std::string page() {
  std::ifstream file(kPage);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The page is what this test expects; where it differs, the failure shows the table that belongs there.
TEST(MetricsPage, ListsEveryFamilyAsItIsServed) {
  const Metrics metrics;
  const std::string expected = table(metrics);
  const std::string found = page();
  EXPECT_EQ(found.substr(std::min(found.find("| metric |"), found.size())), expected);
}

TEST(MetricsPage, NoFamilyIsServedThatIsNotListed) {
  Metrics metrics;
  std::istringstream served(metrics.text({.classes = {{.name = "interactive"}}}));
  std::size_t seen = 0;
  for (std::string line; std::getline(served, line);) {
    if (!line.starts_with("# TYPE ")) continue;
    const auto& all = metrics.families();
    EXPECT_TRUE(std::any_of(all.begin(), all.end(), [&](const MetricFamily& f) {
      return line == "# TYPE " + f.name + " " + f.kind;
    })) << line;
    ++seen;
  }
  EXPECT_GT(seen, 30u);
}

}  // namespace
}  // namespace preferd::server
