// Bits of a verdict depend on its pair alone. Each test compares bit for bit, over every fixture package.
#include <cstdlib>
#include <fstream>
#include <random>

#include "base/sha256.h"
#include "tests/model/scorer/fixtures.h"

namespace preferd::scorer {
namespace {

using namespace testing_scorer;

// Every row in both ways of asking, so that batches mix them: 40 items, 2,000 to 6,000 tokens.
std::vector<Encoded> all_items(const std::string& package) {
  std::vector<Ask> asks = asks_of(package), swapped = asks;
  for (Ask& ask : swapped) ask.swap = ask.swap == Swap::kNone ? Swap::kAverage : Swap::kNone;
  asks.insert(asks.end(), swapped.begin(), swapped.end());
  return encode(*scorer_of(package), asks);
}

class Invariance : public testing::TestWithParam<std::tuple<std::string, ComputeType>> {
 protected:
  void SetUp() override {
    ASSERT_NE(judge(), nullptr);
    items_ = all_items(std::get<0>(GetParam()));
    for (const Encoded& item : items_) alone_.push_back(scored(*judge(), {&item})[0]);
  }

  static std::shared_ptr<Scorer> judge(int threads = 1) {
    return scorer_of(std::get<0>(GetParam()), threads, std::get<1>(GetParam()));
  }

  std::vector<Encoded> items_;
  std::vector<std::string> alone_;
};

TEST_P(Invariance, AloneIsAsInOneBatch) { EXPECT_EQ(scored(*judge(), pointers(items_)), alone_); }

TEST_P(Invariance, OrderInTheBatchIsNotSeen) {
  std::mt19937 random(11);
  for (int round = 0; round < 3; ++round) {
    std::vector<std::size_t> order(items_.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), random);
    std::vector<const Encoded*> items;
    std::vector<std::string> expected;
    for (const std::size_t i : order) {
      items.push_back(&items_[i]);
      expected.push_back(alone_[i]);
    }
    EXPECT_EQ(scored(*judge(), items), expected);
  }
}

TEST_P(Invariance, SizesOfCallsAreNotSeen) {
  for (const std::size_t size : {2u, 3u, 7u}) {
    std::vector<std::string> got;
    for (std::size_t at = 0; at < items_.size(); at += size) {
      std::vector<const Encoded*> some;
      for (std::size_t i = at; i < std::min(at + size, items_.size()); ++i) some.push_back(&items_[i]);
      for (std::string& answer : scored(*judge(), some)) got.push_back(std::move(answer));
    }
    EXPECT_EQ(got, alone_) << "calls of " << size;
  }
}

TEST_P(Invariance, ThreadsAreNotSeen) {
  for (const int threads : {2, 3}) {
    const auto scorer = judge(threads);
    EXPECT_EQ(scored(*scorer, pointers(items_)), alone_) << threads << " threads";
    EXPECT_EQ(scored(*scorer, {&items_[4]})[0], alone_[4]) << threads << " threads, alone";
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, Invariance,
    testing::Combine(testing::ValuesIn(package_names()),
                     testing::Values(ComputeType::kFp32, ComputeType::kInt16, ComputeType::kInt8)),
    [](const auto& c) { return std::get<0>(c.param) + "_" + testing_scorer::name_of(std::get<1>(c.param)); });

// More tokens than one forward takes, under two adapters with heads of their own, in every order of them.
// With one pooling they share forwards; with two they do not.
class MixedAdapters : public testing::TestWithParam<const char*> {};

TEST_P(MixedAdapters, AnswerAsAlone) {
  const testing_support::PackageCopy copy("two_adapters");
  copy.edit("package.json", [](Json& j) { j["adapters"][1]["head"]["pooling"] = GetParam(); });
  const auto loaded = copy.load();
  ASSERT_TRUE(loaded) << loaded.error().what;
  Scorer& scorer = **loaded;
  const std::vector<Encoded> items = all_items("two_adapters");
  std::vector<const Encoded*> many;
  std::vector<std::string> expected;
  for (int round = 0; round < 3; ++round)
    for (std::size_t i = 0; i < items.size(); ++i) {
      many.push_back(&items[(i * 7 + static_cast<std::size_t>(round)) % items.size()]);
      expected.push_back(scored(scorer, {many.back()})[0]);
    }
  std::size_t tokens = 0;
  for (const Encoded* item : many) tokens += item->cost_tokens;
  ASSERT_GT(tokens, 8192u);
  EXPECT_EQ(scored(scorer, many), expected);
}

INSTANTIATE_TEST_SUITE_P(All, MixedAdapters, testing::Values("last", "mean"),
                         [](const auto& c) { return std::string(c.param); });

// A token_pair head reads the last token whatever its pooling says; a head beside it keeps its own.
TEST(TwoAdapters, KeepTheirPooling) {
  const testing_support::PackageCopy copy("token_pair");
  copy.write("mean.safetensors", testing_support::safetensors_bytes(
                                     {{"layers.0.weight", testing_support::filled({1, 32}, 0.1f)}}));
  copy.edit("package.json", [](Json& j) {
    Json mean = {{"file", "mean.safetensors"}, {"pooling", "mean"}, {"output", "sigmoid_b"}};
    mean["layers"] = {{{"type", "linear"}, {"in", 32}, {"out", 1}, {"bias", false}}};
    j["head"]["pooling"] = "mean";
    j["adapters"] = {{{"name", "tokens"}, {"path", "adapter"}},
                     {{"name", "mean"}, {"path", "adapter"}, {"head", mean}}};
    j.erase("adapter");
  });
  const auto loaded = copy.load();
  ASSERT_TRUE(loaded) << loaded.error().what;
  Scorer& scorer = **loaded;
  const auto tokens = scorer.encode({{"2+2?", "4", "5"}, "tokens", Swap::kNone, Overflow::kPackage});
  const auto mean = scorer.encode({{"2+2?", "4", "5"}, "mean", Swap::kNone, Overflow::kPackage});
  const std::vector<std::string> alone = {scored(scorer, {&*tokens})[0], scored(scorer, {&*mean})[0]};
  EXPECT_EQ(scored(scorer, {&*tokens, &*mean}), alone);
  EXPECT_EQ(scored(scorer, {&*mean, &*tokens}), (std::vector<std::string>{alone[1], alone[0]}));
}

TEST(TwoAdapters, ChangeTheAnswer) {
  Scorer& scorer = *scorer_of("two_adapters");
  Ask ask{{"2+2?", "4", "5"}, "one", Swap::kNone, Overflow::kPackage};
  const auto one = scorer.encode(ask);
  ask.adapter = "two";
  const auto two = scorer.encode(ask);
  ask.adapter = "";
  const auto standard = scorer.encode(ask);
  const std::vector<const Encoded*> items = {&*one, &*two, &*standard};
  const auto answers = scorer.score(items);
  EXPECT_EQ((*answers[0]).probabilities.size(), 2u);
  EXPECT_EQ((*answers[1]).probabilities.size(), 3u);
  EXPECT_EQ(bits(answers[0]), bits(answers[2]));
  ask.adapter = "three";
  const auto unknown = scorer.encode(ask);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Code::kNotFound);
  EXPECT_EQ(unknown.error().param, "adapter");
}

// Run by ctest once a BLAS kernel set and instruction set; the files that it writes must not differ.
TEST(Digest, OfAllLogits) {
  const char* path = std::getenv("PREFERD_DIGEST");
  ASSERT_NE(path, nullptr) << "PREFERD_DIGEST names the file to write";
  std::string all;
  for (const std::string& package : package_names())
    for (const ComputeType compute : {ComputeType::kFp32, ComputeType::kInt16, ComputeType::kInt8})
      for (const std::string& answer : scored(*scorer_of(package, 1, compute), pointers(all_items(package))))
        all += answer + "\n";
  const std::string digest = hex(sha256(std::string_view(all)));
  std::ofstream(path) << digest << "\n";
  RecordProperty("digest", digest);
}

}  // namespace
}  // namespace preferd::scorer
