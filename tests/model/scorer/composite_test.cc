// Ensembles and cascades against their members, asked alone.
#include "tests/support/composite_folder.h"

#include <gmock/gmock.h>

#include <cmath>

#include "model/scorer/composite_scorer.h"
#include "tests/model/scorer/fixtures.h"

namespace preferd::scorer {
namespace {

using namespace testing_scorer;
using testing::HasSubstr;
using testing_support::CompositeFolder;

Ask exchanged(Ask ask) {
  std::swap(ask.pair.response_a, ask.pair.response_b);
  return ask;
}

Verdict answer(Scorer& scorer, const Ask& ask) {
  const auto encoded = scorer.encode(ask);
  EXPECT_TRUE(encoded) << encoded.error().what;
  const Encoded* item = &*encoded;
  auto verdict = scorer.score({&item, 1})[0];
  EXPECT_TRUE(verdict) << verdict.error().what;
  return *verdict;
}

// p(A first), p(B first) mirrored, and their mean, of a member asked alone.
struct Alone {
  std::vector<double> given, swapped, average;

  Alone(const std::string& package, Ask ask, const std::string& adapter = "") {
    ask.adapter = adapter;
    ask.swap = Swap::kNone;
    const Verdict one = answer(*scorer_of(package), ask);
    const Verdict two = answer(*scorer_of(package), exchanged(ask));
    given.assign(one.probabilities.begin(), one.probabilities.end());
    swapped.assign(two.probabilities.begin(), two.probabilities.end());
    std::swap(swapped[0], swapped[1]);
    for (std::size_t i = 0; i < given.size(); ++i) average.push_back((given[i] + swapped[i]) / 2);
  }
};

std::vector<Ask> rows() {
  std::vector<Ask> asks = asks_of("dense");
  for (Ask& ask : asks) ask.swap = Swap::kNone;
  return asks;
}

constexpr double kRounding = 2e-7;  // of a float32 probability and its mean

const Json kThree = {{"format", "preferd-ensemble/1"},
                     {"name", "three"},
                     {"revision", "7"},
                     {"members",
                      {{{"package", "dense"}, {"weight", 2}},
                       {{"package", "lora"}, {"order", "swapped"}},
                       {{"package", "nf4"}, {"order", "average"}, {"weight", 0.5}}}}};

TEST(Ensemble, IsTheWeightedMeanOfItsMembers) {
  const CompositeFolder folder({"dense", "lora", "nf4"}, kThree);
  const auto scorer = folder.load();
  ASSERT_TRUE(scorer) << scorer.error().what;
  for (const Ask& ask : rows()) {
    const Alone dense("dense", ask), lora("lora", ask), nf4("nf4", ask);
    const Verdict plain = answer(**scorer, ask);
    Ask both = ask;
    both.swap = Swap::kAverage;
    const Verdict mean = answer(**scorer, both);
    for (std::size_t i = 0; i < 2; ++i) {
      const double p = (2 * dense.given[i] + lora.swapped[i] + 0.5 * nf4.average[i]) / 3.5;
      const double q = (2 * dense.swapped[i] + lora.given[i] + 0.5 * nf4.average[i]) / 3.5;
      EXPECT_NEAR(plain.probabilities[i], p, kRounding);
      EXPECT_NEAR(mean.probabilities[i], (p + q) / 2, kRounding);
      EXPECT_NEAR(*mean.order_gap, std::fabs(p - q), 2 * kRounding);
    }
    EXPECT_FALSE(plain.order_gap);
    ASSERT_EQ(plain.path.size(), 3u);
    EXPECT_EQ(plain.path[0].member, "dense");
    EXPECT_EQ(plain.path[1].member, "lora (swapped)");
    EXPECT_EQ(plain.path[2].member, "nf4 (average)");
    EXPECT_NEAR(plain.path[1].probabilities[0], lora.swapped[0], kRounding);
    EXPECT_TRUE(plain.logits.empty());
  }
}

TEST(Ensemble, CountsWhatAllMembersRead) {
  const CompositeFolder folder({"dense", "lora", "nf4"}, kThree);
  const auto scorer = folder.load();
  ASSERT_TRUE(scorer) << scorer.error().what;
  for (const Ask& ask : rows()) {
    const Verdict v = answer(**scorer, ask);
    const Verdict dense = answer(*scorer_of("dense"), ask), lora = answer(*scorer_of("lora"), exchanged(ask)),
                  nf4 = answer(*scorer_of("nf4"), ask);
    EXPECT_EQ(v.tokens.total, dense.tokens.total + lora.tokens.total + nf4.tokens.total);
    EXPECT_EQ(v.tokens.response_a, dense.tokens.response_a + lora.tokens.response_b + nf4.tokens.response_a);
    EXPECT_EQ(v.truncated[1].tokens,
              dense.truncated[1].tokens + lora.truncated[2].tokens + nf4.truncated[1].tokens);
  }
}

TEST(Ensemble, OfTwoAdaptersHoldsTheirPackageOnce) {
  const CompositeFolder folder({"lora", "two_adapters"},
                               {{"format", "preferd-ensemble/1"},
                                {"members",
                                 {{{"package", "two_adapters"}, {"adapter", "one"}},
                                  {{"package", "two_adapters"}, {"adapter", "one"}, {"order", "swapped"}}}}});
  const auto scorer = folder.load();
  ASSERT_TRUE(scorer) << scorer.error().what;
  const ScorerInfo& info = (*scorer)->info();
  EXPECT_EQ(info.resident_bytes, scorer_of("two_adapters")->info().resident_bytes);
  EXPECT_EQ(info.kind, "ensemble");
  EXPECT_EQ(info.classes, 2);
  EXPECT_EQ(info.name, std::filesystem::path(folder.path()).parent_path().filename());
  ASSERT_EQ(info.members.size(), 2u);
  EXPECT_EQ(info.members[1].label, "two_adapters:one (swapped)");
  for (const Ask& ask : rows()) {
    const Alone one("two_adapters", ask, "one");
    EXPECT_NEAR(answer(**scorer, ask).probabilities[0], one.average[0], kRounding);
  }
}

TEST(Ensemble, HasNoAdaptersToAskFor) {
  const CompositeFolder folder({"dense", "lora", "nf4"}, kThree);
  const auto scorer = folder.load();
  ASSERT_TRUE(scorer) << scorer.error().what;
  Ask ask = rows()[0];
  ask.adapter = "default";
  const auto encoded = (*scorer)->encode(ask);
  ASSERT_FALSE(encoded);
  EXPECT_EQ(encoded.error().code, Code::kNotFound);
  EXPECT_EQ(encoded.error().param, "adapter");
}

TEST(Ensemble, SaysWhichMemberFailed) {
  const CompositeFolder folder(
      {"dense", "arena63"},
      {{"format", "preferd-ensemble/1"}, {"members", {{{"package", "dense"}}, {{"package", "arena63"}}}}});
  const auto scorer = folder.load();
  ASSERT_TRUE(scorer) << scorer.error().what;
  const Ask empty{{"", "", ""}, "", Swap::kNone, Overflow::kPackage};
  const Ask fine{{"Which?", "this", "that"}, "", Swap::kNone, Overflow::kPackage};
  const auto items = encode(**scorer, {empty, fine});
  const auto verdicts = (*scorer)->score(pointers(items));
  ASSERT_FALSE(verdicts[0]);
  EXPECT_EQ(verdicts[0].error().code, Code::kNonFinite);
  EXPECT_THAT(verdicts[0].error().what, HasSubstr("member arena63: "));
  EXPECT_TRUE(verdicts[1]);
}

Json cascade(double first, double second) {
  return {{"format", "preferd-cascade/1"},
          {"stages",
           {{{"package", "dense"}},
            {{"package", "lora"}, {"when_margin_below", first}, {"weight", 0.6}},
            {{"package", "nf4"}, {"order", "swapped"}, {"when_margin_below", second}}}}};
}

TEST(Cascade, AsksTheNextStageWhereTheMarginIsSmall) {
  const CompositeFolder folder({"dense", "lora", "nf4"}, cascade(0.5, 0.3));
  const auto scorer = folder.load();
  ASSERT_TRUE(scorer) << scorer.error().what;
  std::map<std::size_t, int> lengths;
  const std::vector<Ask> asks = rows();
  const auto items = encode(**scorer, asks);
  const auto together = (*scorer)->score(pointers(items));
  for (std::size_t row = 0; row < asks.size(); ++row) {
    const Ask& ask = asks[row];
    const Alone dense("dense", ask), lora("lora", ask), nf4("nf4", ask);
    std::vector<double> p = dense.given;
    std::vector<std::string> path = {"dense"};
    if (std::fabs(p[0] - p[1]) < 0.5) {
      for (std::size_t i = 0; i < 2; ++i) p[i] = 0.4 * p[i] + 0.6 * lora.given[i];
      path.emplace_back("lora");
    }
    if (std::fabs(p[0] - p[1]) < 0.3) {
      p = nf4.swapped;
      path.emplace_back("nf4 (swapped)");
    }
    ASSERT_TRUE(together[row]) << together[row].error().what;
    const Verdict& v = *together[row];
    std::vector<std::string> taken;
    for (const MemberSaid& said : v.path) taken.push_back(said.member);
    EXPECT_EQ(taken, path);
    for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(v.probabilities[i], p[i], kRounding);
    EXPECT_EQ(bits(together[row]), bits(Result<Verdict>(answer(**scorer, ask))));
    ++lengths[path.size()];
  }
  EXPECT_GE(lengths.size(), 2u) << "the rows must not all go one way";
}

TEST(Cascade, AsksBelowItsThresholdAndNotAtIt) {
  const Ask ask = rows()[0];
  const Verdict first = answer(*scorer_of("dense"), ask);
  const double margin =
      std::fabs(static_cast<double>(first.probabilities[0]) - static_cast<double>(first.probabilities[1]));
  CompositeFolder folder({"dense", "lora", "nf4"}, cascade(margin, 1e-9));
  EXPECT_EQ(answer(**folder.load(), ask).path.size(), 1u);
  folder.write(cascade(std::nextafter(margin, 1.0), 1e-9));
  EXPECT_EQ(answer(**folder.load(), ask).path.size(), 2u);
}

TEST(Cascade, CountsOnlyTheStagesThatItAsked) {
  const CompositeFolder folder({"dense", "lora", "nf4"}, cascade(1e-9, 1e-9));
  const auto scorer = folder.load();
  ASSERT_TRUE(scorer) << scorer.error().what;
  for (const Ask& ask : rows()) {
    if (ask.pair.response_a == ask.pair.response_b) continue;  // no margin at all
    const auto encoded = (*scorer)->encode(ask);
    const Verdict v = answer(**scorer, ask);
    ASSERT_EQ(v.path.size(), 1u);
    EXPECT_EQ(v.tokens.total, answer(*scorer_of("dense"), ask).tokens.total);
    EXPECT_LT(static_cast<std::size_t>(v.tokens.total), encoded->cost_tokens);
  }
}

class Mirrored : public testing::TestWithParam<Json> {};

TEST_P(Mirrored, UnderSwapWhicheverResponseComesFirst) {
  const CompositeFolder folder({"dense", "lora", "nf4"}, GetParam());
  const auto scorer = folder.load();
  ASSERT_TRUE(scorer) << scorer.error().what;
  for (Ask ask : rows()) {
    ask.swap = Swap::kAverage;
    const Verdict one = answer(**scorer, ask), two = answer(**scorer, exchanged(ask));
    EXPECT_EQ(one.probabilities[0], two.probabilities[1]);
    EXPECT_EQ(one.probabilities[1], two.probabilities[0]);
    EXPECT_EQ(*one.order_gap, *two.order_gap);
    EXPECT_EQ(one.path.size(), two.path.size());
  }
}

TEST_P(Mirrored, AndTheSameBitsInAnyBatchOnAnyThreads) {
  const CompositeFolder folder({"dense", "lora", "nf4"}, GetParam());
  const auto one = folder.load(), three = folder.load(3);
  ASSERT_TRUE(one && three);
  const auto items = encode(**one, asks_of("dense"));
  std::vector<std::string> alone;
  for (const Encoded& item : items) alone.push_back(scored(**one, {&item})[0]);
  EXPECT_EQ(scored(**one, pointers(items)), alone);
  EXPECT_EQ(scored(**three, pointers(items)), alone);
}

INSTANTIATE_TEST_SUITE_P(Composites, Mirrored, testing::Values(kThree, cascade(0.5, 0.3)),
                         [](const auto& c) { return c.index == 0 ? "ensemble" : "cascade"; });

TEST(Composite, MayHoldAnother) {
  const CompositeFolder folder(
      {"nf4"}, {{"format", "preferd-cascade/1"},
                {"stages",
                 {{{"package", "nf4"}}, {{"package", "inner"}, {"when_margin_below", 1}, {"weight", 0.5}}}}});
  folder.write(
      {{"format", "preferd-ensemble/1"}, {"members", {{{"package", "dense"}}, {{"package", "lora"}}}}},
      "inner");
  for (const char* package : {"dense", "lora"})
    std::filesystem::copy(kPackages + package, folder.path("inner/") + package,
                          std::filesystem::copy_options::recursive);
  const auto scorer = folder.load();
  ASSERT_TRUE(scorer) << scorer.error().what;
  const Ask ask = rows()[2];
  const Alone nf4("nf4", ask), dense("dense", ask), lora("lora", ask);
  const Verdict v = answer(**scorer, ask);
  EXPECT_NEAR(v.probabilities[0], 0.5 * nf4.given[0] + 0.25 * dense.given[0] + 0.25 * lora.given[0],
              kRounding);
  ASSERT_EQ(v.path.size(), 4u);
  EXPECT_EQ(v.path[1].member, "inner");
  EXPECT_EQ(v.path[3].member, "inner/lora");
  EXPECT_EQ((*scorer)->info().members[1].info->members.size(), 2u);
}

TEST(Composite, RefusesMembersThatDoNotFit) {
  CompositeFolder folder({"dense", "dense_fp16_first"}, {});
  const auto members = [&](const Json& list) {
    folder.write({{"format", "preferd-ensemble/1"}, {"members", list}});
    return folder.refusal();
  };
  EXPECT_THAT(members({{{"package", "dense"}}, {{"package", "dense_fp16_first"}}}),
              HasSubstr("member dense_fp16_first has 3 classes, the members before it have 2"));
  EXPECT_THAT(members({{{"package", "absent"}}}), HasSubstr("member absent: "));
  EXPECT_THAT(members({{{"package", "../dense"}}}), HasSubstr("ensemble.members[0].package is '../dense'"));
  std::filesystem::create_directory_symlink(kPackages + "lora", folder.path("outside"));
  EXPECT_THAT(members({{{"package", "outside"}}}), HasSubstr("member outside: "));
  EXPECT_THAT(members({{{"package", "dense"}, {"adapter", "none"}}}),
              HasSubstr("member dense:none: it has no adapter 'none'"));
  std::filesystem::create_directory_symlink(".", folder.path("self"));
  EXPECT_THAT(members({{{"package", "self"}}}), HasSubstr("nested more than 4 deep"));
}

TEST(Composite, RefusesAMemberWhoseGoldenPairsFail) {
  const CompositeFolder folder({"dense"},
                               {{"format", "preferd-ensemble/1"}, {"members", {{{"package", "dense"}}}}});
  std::string golden = testing_support::read_text(folder.path("dense/golden.jsonl"));
  const std::size_t at = golden.find("\"logits\": [") + 11;
  golden.insert(at, golden[at] == '-' ? "" : "9");
  if (golden[at] == '-') golden.insert(at + 1, "9");
  std::filesystem::remove(folder.path("dense/golden.jsonl"));
  std::ofstream(folder.path("dense/golden.jsonl")) << golden;
  EXPECT_THAT(folder.refusal(), HasSubstr("member dense: "));
  EXPECT_THAT(folder.refusal(), HasSubstr("tolerance"));
}

// Knows nothing, but has a device.
class Telling : public Scorer {
 public:
  explicit Telling(Capacity capacity) : capacity_(std::move(capacity)) {}
  const ScorerInfo& info() const override { return info_; }
  Result<Encoded> encode(const Ask&) const override { return Encoded{}; }
  std::vector<float> features(const text::Pair&) const override { return {}; }
  std::vector<Result<Verdict>> score(std::span<const Encoded* const> items) override {
    return {items.size(), Result<Verdict>(Error{})};
  }
  Capacity capacity() const override { return capacity_; }

 private:
  ScorerInfo info_;
  Capacity capacity_;
};

TEST(Composite, TellsWhatItsMembersDevicesTell) {
  const auto fine = std::make_shared<Telling>(Capacity{.working = 2, .all = 2, .ahead = 1, .halved = 3});
  const auto lost =
      std::make_shared<Telling>(Capacity{.working = 0, .lost = "fell", .note = "slow", .halved = 4});
  const auto of = [](std::vector<Member> members) {
    return make_ensemble({}, std::move(members))->capacity();
  };
  const Capacity both = of({{{}, fine}, {{}, lost}, {{}, lost}});
  EXPECT_EQ(both.working, 1);
  EXPECT_EQ(both.all, 1);
  EXPECT_EQ(both.ahead, 0);
  EXPECT_EQ(both.lost, "fell");
  EXPECT_EQ(both.note, "slow");
  EXPECT_EQ(both.halved, 7);  // one that is a member twice has them once
  EXPECT_EQ(of({{{}, lost}}).working, 0);
}

}  // namespace
}  // namespace preferd::scorer
