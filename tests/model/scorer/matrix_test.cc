// Every family x quantization x head output x truncation against the Python reference
// (tests/fixtures/make_matrix.py).
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "model/scorer/verdict_json.h"
#include "rows/records.h"
#include "tests/model/scorer/fixtures.h"

namespace preferd::scorer {
namespace {

using namespace testing_scorer;
using namespace testing_support;

constexpr double kLogits = 2e-4;         // the stated bound
constexpr double kProbabilities = 2e-4;  // as in reference_test.cc

struct Matrix {
  std::vector<Ask> asks;
  Json heads;
  std::map<std::string, std::vector<Json>> cases;  // by "family_quantization"
};

Ask ask_of(const Json& row) {
  const auto text = [&](const char* key) { return row[key].get<std::string>(); };
  Ask ask{{text("prompt"), text("response_a"), text("response_b")}, "", Swap::kNone, Overflow::kPackage};
  if (row.value("swap", "none") == "average") ask.swap = Swap::kAverage;
  return ask;
}

const Matrix& matrix() {
  static const Matrix whole = [] {
    Matrix out;
    auto reader = rows::RecordReader::open(PREFERD_FIXTURES "/matrix.jsonl.gz", rows::RowFormat::kAuto);
    for (auto read = (*reader)->next(); read && *read; read = (*reader)->next()) {
      const Json line = *(**read).fields;
      if (!line.contains("rows")) {
        const std::string name =
            line["family"].get<std::string>() + "_" + line["quantization"].get<std::string>();
        out.cases[name].push_back(line);
        continue;
      }
      out.heads = line["heads"];
      for (const Json& id : line["rows"])
        for (const Json& row : read_json_lines(kPackages + "rows.jsonl"))
          if (row["id"] == id) out.asks.push_back(ask_of(row));
    }
    return out;
  }();
  return whole;
}

TestTensor steps_of_32(const Json& integers, std::vector<std::int64_t> shape) {
  std::vector<float> values;
  for (const Json& n : integers) values.push_back(n.get<float>() / 32);
  return floats(std::move(shape), values);
}

// The case as a package on disk, for as long as this lives.
class CasePackage {
 public:
  explicit CasePackage(const Json& one)
      : root_(testing::TempDir() + "/preferd_matrix_" + std::to_string(getpid())) {
    std::filesystem::create_directories(root_);
    Json manifest = one["manifest"];
    manifest["base"]["path"] = kPackages + manifest["base"]["path"].get<std::string>();
    std::ofstream(root_ + "/package.json") << manifest.dump();
    const std::string key = one["family"].get<std::string>() + "/" + one["output"].get<std::string>();
    if (!matrix().heads.contains(key)) return;
    const Json& head = matrix().heads[key];
    const std::int64_t out = head["out"], in = head["in"];
    std::ofstream(root_ + "/head.safetensors", std::ios::binary)
        << safetensors_bytes({{"layers.0.weight", steps_of_32(head["weight"], {out, in})},
                              {"layers.0.bias", steps_of_32(head["bias"], {out})}});
  }
  ~CasePackage() { std::filesystem::remove_all(root_); }
  CasePackage(const CasePackage&) = delete;
  CasePackage& operator=(const CasePackage&) = delete;

  Result<std::shared_ptr<Scorer>> load() const {
    return load_scorer(*open_directory(root_), {1, ComputeType::kFp32, Golden::kSkip});
  }

 private:
  std::string root_;
};

void expect_same(const Verdict& verdict, const Json& expected) {
  ASSERT_EQ(verdict.logits.size(), expected["logits"].size());
  for (std::size_t i = 0; i < verdict.logits.size(); ++i)
    EXPECT_NEAR(verdict.logits[i], expected["logits"][i].get<double>(), kLogits);
  ASSERT_EQ(verdict.probabilities.size(), expected["probabilities"].size());
  for (std::size_t i = 0; i < verdict.probabilities.size(); ++i)
    EXPECT_NEAR(verdict.probabilities[i], expected["probabilities"][kClassNames[i]].get<double>(),
                kProbabilities);
  ASSERT_EQ(verdict.order_gap.has_value(), expected.contains("order_gap"));
  if (verdict.order_gap) {
    EXPECT_NEAR(*verdict.order_gap, expected["order_gap"].get<double>(), 2 * kProbabilities);
  }
  std::string said;
  JsonWriter json(said);
  json.begin_object();
  write_tokens(verdict.tokens, json);
  write_truncated(verdict.truncated, json);
  json.end_object();
  const Json counted = Json::parse(said);
  EXPECT_EQ(counted["tokens"], expected["tokens"]);
  EXPECT_EQ(counted["truncated"], expected["truncated"]);
}

class EachForm : public testing::TestWithParam<std::string> {};

TEST_P(EachForm, AnswersAsTheReferenceUnderEveryHeadAndCut) {
  std::set<std::string> cuts_that_bit;
  for (const Json& one : matrix().cases.at(GetParam())) {
    SCOPED_TRACE(one["output"].get<std::string>() + ", " + one["truncation"].get<std::string>());
    const CasePackage package(one);
    const auto scorer = package.load();
    ASSERT_TRUE(scorer) << scorer.error().what;
    const auto items = encode(**scorer, matrix().asks);
    const auto verdicts = (*scorer)->score(pointers(items));
    for (std::size_t i = 0; i < verdicts.size(); ++i) {
      SCOPED_TRACE(i);
      ASSERT_TRUE(verdicts[i]) << verdicts[i].error().what;
      expect_same(*verdicts[i], one["expected"][i]);
      if (!one["expected"][i]["truncated"].empty()) cuts_that_bit.insert(one["truncation"]);
    }
  }
  EXPECT_EQ(cuts_that_bit.size(), 4u);
}

TEST(Matrix, IsWhole) {
  std::size_t count = 0;
  for (const auto& [name, cases] : matrix().cases) count += cases.size();
  EXPECT_EQ(matrix().cases.size(), 9u * 4 + 1);
  EXPECT_EQ(count, 7u * 4 * 6 * 4 + 2 * 4 * 5 * 4 + 5 * 4);
  EXPECT_EQ(matrix().asks.size(), 5u);
}

std::vector<std::string> forms() {
  std::vector<std::string> names;
  for (const auto& [name, cases] : matrix().cases) names.push_back(name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Matrix, EachForm, testing::ValuesIn(forms()), by_name);

}  // namespace
}  // namespace preferd::scorer
