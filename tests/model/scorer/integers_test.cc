// The int16 and int8 paths against fp32 over every fixture package, and what becomes of a package whose
// golden pairs they do not give.
#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <string>
#include <tuple>

#include "model/scorer/golden.h"
#include "tests/model/scorer/fixtures.h"

namespace preferd::scorer {
namespace {

using namespace testing_scorer;

class Integers : public testing::TestWithParam<std::tuple<std::string, ComputeType>> {};

// Fixtures are narrow (32 wide) and their weights random, so that rounding shows more than in a real model;
// logits that spread over hundreds are off by as much more.
TEST_P(Integers, AgreeWithFp32) {
  const auto& [package, compute] = GetParam();
  const auto exact = scorer_of(package);
  const auto fast = scorer_of(package, 1, compute);
  EXPECT_EQ(exact->info().compute, "fp32");
  EXPECT_EQ(fast->info().compute, testing_scorer::name_of(compute));
  const std::vector<Encoded> items = encode(*exact, asks_of(package));
  const auto a = exact->score(pointers(items)), b = fast->score(pointers(items));
  double off = 0, size = 0, worst = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    ASSERT_EQ(static_cast<bool>(a[i]), static_cast<bool>(b[i])) << i;
    if (!a[i]) continue;
    for (std::size_t j = 0; j < (*a[i]).logits.size(); ++j) {
      const double z = (*a[i]).logits[j], d = z - (*b[i]).logits[j];
      off += d * d;
      size += std::max(1.0, z * z);
      worst = std::max(worst, std::fabs(d));
    }
  }
  off = std::sqrt(off / size);
  RecordProperty("off", std::to_string(off));
  EXPECT_LT(off, compute == ComputeType::kInt16 ? 1e-2 : 0.4) << "at worst " << worst;
  EXPECT_GT(off, compute == ComputeType::kInt16 ? 0.0 : 1e-4) << "not rounded";
}

INSTANTIATE_TEST_SUITE_P(All, Integers,
                         testing::Combine(testing::ValuesIn(package_names()),
                                          testing::Values(ComputeType::kInt16, ComputeType::kInt8)),
                         [](const auto& c) {
                           return std::get<0>(c.param) + "_" + testing_scorer::name_of(std::get<1>(c.param));
                         });

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

TEST(Int8, HasAToleranceOfItsOwn) {
  const testing_support::PackageCopy copy("dense_bf16_mean");
  const auto scorer = load(copy, ComputeType::kInt8);
  ASSERT_TRUE(scorer) << scorer.error().what;
  EXPECT_EQ((*scorer)->info().compute, "int8");
  EXPECT_GE((*scorer)->info().golden_pairs, kFewestGolden);
  EXPECT_LE((*scorer)->info().golden_worst, golden_tolerance((*scorer)->info()));
  EXPECT_EQ(golden_tolerance((*scorer)->info()), kCoarseTolerance);
  EXPECT_GT((*scorer)->info().golden_worst, kFp32Tolerance);
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
  for (const ComputeType compute : {ComputeType::kInt16, ComputeType::kInt8}) {
    const auto refused = load(copy, compute);
    ASSERT_FALSE(refused);
    EXPECT_THAT(
        refused.error().what,
        testing::AllOf(
            testing::StartsWith(testing_scorer::name_of(compute) + " did not agree with the golden pairs: "),
            testing::HasSubstr("golden.jsonl: row"),
            testing::HasSubstr(compute == ComputeType::kInt8 ? "tolerance 0.05" : "tolerance 0.01")));
  }
}

}  // namespace
}  // namespace preferd::scorer
