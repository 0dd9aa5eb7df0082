// The int16 path against fp32 over every fixture package, and what `auto` makes of a package's golden pairs.
#include <gmock/gmock.h>

#include <cmath>
#include <cstring>

#include "model/scorer/golden.h"
#include "tests/model/scorer/fixtures.h"

namespace preferd {
namespace {

using namespace testing_scorer;

class Int16 : public EachPackage {};

// Fixtures are narrow (32 wide) and their weights random, so that rounding shows more than in a real model;
// logits that spread over hundreds are off by as much more.
TEST_P(Int16, AgreesWithFp32) {
  const auto exact = scorer_of(GetParam());
  const auto fast = scorer_of(GetParam(), 1, ComputeType::kInt16);
  EXPECT_EQ(exact->info().compute, "fp32");
  EXPECT_EQ(fast->info().compute, "int16");
  const std::vector<Encoded> items = encode(*exact, asks_of(GetParam()));
  const auto a = exact->score(pointers(items)), b = fast->score(pointers(items));
  double off = 0, size = 1;
  for (std::size_t i = 0; i < items.size(); ++i) {
    ASSERT_EQ(static_cast<bool>(a[i]), static_cast<bool>(b[i])) << i;
    if (!a[i]) continue;
    for (std::size_t j = 0; j < (*a[i]).logits.size(); ++j) {
      off = std::max(off, std::fabs(static_cast<double>((*a[i]).logits[j]) - (*b[i]).logits[j]));
      size = std::max(size, std::fabs(static_cast<double>((*a[i]).logits[j])));
    }
  }
  RecordProperty("off", std::to_string(off / size));
  EXPECT_LT(off / size, 2e-2) << off << " of " << size;
}

INSTANTIATE_TEST_SUITE_P(All, Int16, testing::ValuesIn(package_names()), by_name);

Result<std::shared_ptr<Scorer>> load(const testing_support::PackageCopy& copy, ComputeType compute) {
  return load_scorer(*open_directory(copy.path()), {1, compute, Golden::kVerify});
}

TEST(Auto, TakesInt16WhereTheGoldenPairsAgree) {
  const testing_support::PackageCopy copy("gemma2_nf4_lora");
  const auto scorer = load(copy, ComputeType::kAuto);
  ASSERT_TRUE(scorer) << scorer.error().what;
  EXPECT_EQ((*scorer)->info().compute, "int16");
  EXPECT_EQ((*scorer)->info().compute_note, "");
  EXPECT_GE((*scorer)->info().golden_pairs, kFewestGolden);
  EXPECT_LE((*scorer)->info().golden_worst, kInt16Tolerance);
}

// A head whose last layer has large weights, and golden pairs that fp32 gave under it.
TEST(Auto, TakesFp32WhereTheyDoNotAndSaysWhy) {
  const testing_support::PackageCopy copy("dense");
  copy.edit_tensors("head.safetensors", [](testing_support::TestTensors& tensors) {
    for (auto& [name, tensor] : tensors)
      for (std::size_t i = 0; name.starts_with("layers.3") && i + 4 <= tensor.bytes.size(); i += 4) {
        float value = 0;
        std::memcpy(&value, tensor.bytes.data() + i, 4);
        value *= 300;
        std::memcpy(tensor.bytes.data() + i, &value, 4);
      }
  });
  const auto files = *open_directory(copy.path());
  auto pairs = *read_golden(*files, "golden.jsonl");
  const auto exact = *load_scorer(files, {1, ComputeType::kFp32, Golden::kSkip});
  const auto verdicts = *score_golden(pairs, *exact);
  copy.write("golden.jsonl", golden_text(pairs, verdicts));

  const auto scorer = load(copy, ComputeType::kAuto);
  ASSERT_TRUE(scorer) << scorer.error().what;
  EXPECT_EQ((*scorer)->info().compute, "fp32");
  EXPECT_THAT((*scorer)->info().compute_note,
              testing::AllOf(testing::HasSubstr("int16 did not agree with the golden pairs"),
                             testing::HasSubstr("tolerance 0.01")));
  const auto refused = load(copy, ComputeType::kInt16);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, testing::HasSubstr("golden.jsonl: row"));
}

}  // namespace
}  // namespace preferd
