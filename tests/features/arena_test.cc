#include "features/arena.h"

#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "base/json.h"

namespace preferd::features {
namespace {

std::vector<Json> reference() {
  gzFile file = gzopen(PREFERD_FIXTURES "/features/rows.jsonl.gz", "rb");
  std::string text(1 << 20, '\0');
  text.resize(static_cast<std::size_t>(gzread(file, text.data(), static_cast<unsigned>(text.size()))));
  gzclose(file);
  std::vector<Json> rows;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    rows.push_back(*parse_json(text.substr(at, end - at)));
    at = end + 1;
  }
  return rows;
}

std::vector<double> numbers(const Json& array) {
  std::vector<double> out;
  for (const Json& x : array) out.push_back(x.is_null() ? NAN : x.get<double>());
  return out;
}

FeatureColumns columns(FeatureSet set, const Json& row) {
  return arena_features(set, row["prompt"].get<std::string>(), row["response_a"].get<std::string>(),
                        row["response_b"].get<std::string>());
}

template <class A, class B>
void expect_same(const A& got, const B& want, const Json& row) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i)
    EXPECT_TRUE(got[i] == want[i] || (std::isnan(got[i]) && std::isnan(want[i])))
        << feature_names()[i] << ": " << got[i] << ", expected " << want[i] << "\n"
        << row["prompt"] << "\n"
        << row["response_a"] << "\n"
        << row["response_b"];
}

TEST(Arena, EqualsTheReferenceInEveryBit) {
  const std::vector<Json> rows = reference();
  ASSERT_GT(rows.size(), 150u);
  const Standardization statistics{numbers(rows.back()["mean"]), numbers(rows.back()["std"])};
  for (std::size_t i = 0; i + 1 < rows.size(); ++i) {
    const Json& row = rows[i];
    expect_same(columns(FeatureSet::kArena63, row), numbers(row["arena63"]), row);
    const FeatureColumns second = columns(FeatureSet::kArena63V2, row);
    expect_same(standardized(second, {}), numbers(row["arena63_v2"]), row);
    expect_same(standardized(second, statistics), numbers(row["standardized"]), row);
  }
}

TEST(Arena, NamesAreInTheOrderOfTheColumns) {
  const auto& names = feature_names();
  EXPECT_STREQ(names[0], "prompt_len");
  EXPECT_STREQ(names[4], "response_a_spaces");
  EXPECT_STREQ(names[59], "response_b_sentiment");
  EXPECT_STREQ(names[62], "cosine_similarity_diff");
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
}

TEST(Arena, EmptyTextsHaveNoRatio) {
  const FeatureColumns first = arena_features(FeatureSet::kArena63, "", "a", "");
  EXPECT_TRUE(std::isnan(first[39]));
  EXPECT_EQ(first[40], 1.0);
  EXPECT_EQ(first[60], -1.0);
  EXPECT_EQ(first[62], 0.0);
  const FeatureColumns second = arena_features(FeatureSet::kArena63V2, "", "a", "");
  EXPECT_EQ(second[39], 0.0);
  EXPECT_EQ(second[60], 0.0);
}

TEST(Arena, ExchangedResponsesExchangeTheirColumns) {
  for (const FeatureSet set : {FeatureSet::kArena63, FeatureSet::kArena63V2}) {
    const FeatureColumns given =
        arena_features(set, "which one?", "this one, (not) that", "good that one! one");
    const FeatureColumns other =
        arena_features(set, "which one?", "good that one! one", "this one, (not) that");
    for (std::size_t measure = 0; measure < 20; ++measure) {
      EXPECT_EQ(given[3 * measure], other[3 * measure]);
      EXPECT_EQ(given[3 * measure + 1], other[3 * measure + 2]);
      EXPECT_EQ(given[3 * measure + 2], other[3 * measure + 1]);
    }
    EXPECT_EQ(given[60], other[61]);
    EXPECT_EQ(given[62], -other[62]);
  }
}

TEST(Arena, AResponseSeesThePromptAndItself) {
  for (const Side side : {Side::kA, Side::kB})
    for (const std::size_t column : response_columns(side)) {
      const std::string name = feature_names()[column];
      EXPECT_EQ(name.find(side == Side::kA ? "response_b" : "response_a"), std::string::npos) << name;
      EXPECT_EQ(name.find(side == Side::kA ? "similarity_b" : "similarity_a"), std::string::npos) << name;
      EXPECT_EQ(name.find("diff"), std::string::npos) << name;
    }
}

std::string repeated(std::string_view text, std::size_t bytes) {
  std::string out;
  while (out.size() < bytes) out += text;
  return out;
}

// Each would take minutes or hours if any step were quadratic.
TEST(Arena, HostileTextsOfHalfAMegabyteCostLinearTime) {
  constexpr std::size_t kBytes = 1 << 19;
  for (const char* unit : {"'", "\"", ".", "(", "!", "a", "...,", ".,", "n't", "( ! ) ", ": - ", ">", "\r\n",
                           "Σ", "Σʰ", "İ", "中", "not ", "very "})
    arena_features(FeatureSet::kArena63, repeated(unit, kBytes), "a", "b");
  for (const std::string& head :
       {repeated("a.", kBytes), std::string("A").append(kBytes, 'b'), std::string("Σ").append(kBytes, '\'')})
    arena_features(FeatureSet::kArena63, head + repeated(",.", kBytes), "a", "b");
}

}  // namespace
}  // namespace preferd::features
