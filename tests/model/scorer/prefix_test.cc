// Sharing a prefix saves work and changes no bit: packed bodies with parents against the same sequences on
// their own.
#include <random>

#include <c10/core/InferenceMode.h>

#include "model/scorer/adapted_model.h"
#include "model/scorer/packer.h"
#include "model/scorer/prefixes.h"
#include "tests/model/scorer/fixtures.h"

namespace preferd::scorer {
namespace {

using namespace testing_scorer;

using Projections = std::vector<const std::map<std::string, checkpoint::LoraWeights>*>;

std::vector<std::string> pooled_bits(const families::Body& body, const backend::Batch& batch,
                                     package::Pooling pooling, const Projections& projections,
                                     int threads = 1) {
  const c10::InferenceMode inference;
  ops::Compute compute(threads);
  const at::Tensor states = body.pooled(compute, batch, pooling, projections).contiguous();
  std::vector<std::string> rows;
  const auto bytes = static_cast<std::size_t>(states.size(1)) * sizeof(float);
  for (std::int64_t i = 0; i < states.size(0); ++i)
    rows.emplace_back(
        reinterpret_cast<const char*>(states.data_ptr<float>()) + static_cast<std::size_t>(i) * bytes, bytes);
  return rows;
}

// Sequences one after the other; each cut into as many segments in a line as `pieces` says.
backend::Batch chained(const std::vector<const Encoded*>& items, int pieces, std::mt19937& random) {
  backend::Batch batch;
  batch.offsets.push_back(0);
  for (const Encoded* item : items)
    for (const EncodedOrder& order : item->orders)
      for (const auto& sequence : order.sequences) {
        const auto size = static_cast<std::int32_t>(sequence.size());
        std::vector<std::int32_t> cuts = {size};
        for (int i = 1; i < pieces && size > 1; ++i)
          cuts.push_back(1 + static_cast<std::int32_t>(random() % static_cast<unsigned>(size - 1)));
        std::sort(cuts.begin(), cuts.end());
        cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
        std::int32_t parent = -1, at = 0;
        for (const std::int32_t cut : cuts) {
          for (; at < cut; ++at) {
            batch.ids.push_back(sequence[static_cast<std::size_t>(at)]);
            batch.positions.push_back(at);
          }
          batch.offsets.push_back(static_cast<std::int32_t>(batch.ids.size()));
          batch.parent.push_back(parent);
          parent = batch.segments() - 1;
        }
        batch.pooled.push_back(parent);
        batch.runs.push_back({batch.rows() - size, size, item->adapter});
      }
  return batch;
}

class SharedPrefix : public EachPackage {
 protected:
  void SetUp() override {
    auto encoder = PairEncoder::open(*open_directory(kPackages + GetParam()));
    ASSERT_TRUE(encoder) << encoder.error().what;
    encoder_ = *encoder;
    auto model = load_model(**encoder);
    ASSERT_TRUE(model) << model.error().what;
    model_ = std::move(*model);
    for (const LoadedAdapter& adapter : model_.adapters) projections_.push_back(&adapter.projections);
    const std::string words = "one prompt that goes on for a while and then some more ";
    for (const std::size_t length : {0u, 5u, 20u, 54u, 110u, 400u}) {
      std::string prompt;
      while (prompt.size() < length) prompt += words;
      prompt.resize(length);
      Ask ask{{prompt, "yes, it is", "no, and here is why not"}, "", Swap::kAverage, Overflow::kPackage};
      if (model_.adapters.size() > 1 && length % 2 == 1) ask.adapter = "two";
      auto item = (*encoder)->encode(ask);
      ASSERT_TRUE(item) << item.error().what;
      // One body a forward.
      if (model_.adapters[static_cast<std::size_t>((*item).adapter)].body == model_.adapters[0].body)
        items_.push_back(std::move(*item));
    }
  }

  const families::Body& body() const { return *model_.bodies[model_.adapters[0].body]; }

  std::shared_ptr<const PairEncoder> encoder_;
  AdaptedModel model_;
  Projections projections_;
  std::vector<Encoded> items_;
};

TEST_P(SharedPrefix, ChangesNoBit) {
  std::mt19937 random(5);
  const auto items = pointers(items_);
  const backend::Batch shared = pack(items, Prefixes::kShared), plain = chained(items, 1, random);
  ASSERT_LT(shared.rows(), plain.rows()) << "nothing was shared, nothing is tested";
  ASSERT_TRUE(std::any_of(shared.parent.begin(), shared.parent.end(), [](auto p) { return p >= 0; }));
  for (const package::Pooling pooling :
       {package::Pooling::kLast, package::Pooling::kFirst, package::Pooling::kMean}) {
    const auto expected = pooled_bits(body(), plain, pooling, projections_);
    EXPECT_EQ(pooled_bits(body(), shared, pooling, projections_), expected);
    EXPECT_EQ(pooled_bits(body(), shared, pooling, projections_, 2), expected);
  }
}

TEST_P(SharedPrefix, MayBeALineOfSegments) {
  std::mt19937 random(6);
  const auto items = pointers(items_);
  const backend::Batch plain = chained(items, 1, random), cut = chained(items, 5, random);
  for (const package::Pooling pooling :
       {package::Pooling::kLast, package::Pooling::kFirst, package::Pooling::kMean})
    EXPECT_EQ(pooled_bits(body(), cut, pooling, projections_),
              pooled_bits(body(), plain, pooling, projections_));
}

// Prompts that others go on from, each with several responses, one of them twice.
TEST_P(SharedPrefix, MayBeATreeOfManyItems) {
  std::vector<Encoded> family;
  std::string prompt = "a question that all of them begin with, of some length";
  for (const char* more : {"", " and one that goes on with more words than that",
                           " and then with still more of them, to the end"}) {
    prompt += more;
    for (const char* response : {"yes", "no, and here is why it is not so at all", "yes", "perhaps"}) {
      auto item = encoder_->encode({{prompt, response, "no"}, "", Swap::kNone, Overflow::kPackage});
      ASSERT_TRUE(item) << item.error().what;
      family.push_back(std::move(*item));
    }
  }
  std::mt19937 random(7);
  auto items = pointers(family);
  std::shuffle(items.begin(), items.end(), random);
  const backend::Batch apart = chained(items, 1, random), alone = pack(items, Prefixes::kOfItem),
                       tree = pack(items, Prefixes::kShared);
  ASSERT_LT(tree.rows(), alone.rows()) << "nothing was shared between items, nothing is tested";
  for (const package::Pooling pooling :
       {package::Pooling::kLast, package::Pooling::kFirst, package::Pooling::kMean}) {
    const auto expected = pooled_bits(body(), apart, pooling, projections_);
    EXPECT_EQ(pooled_bits(body(), tree, pooling, projections_), expected);
    EXPECT_EQ(pooled_bits(body(), alone, pooling, projections_, 2), expected);
  }
}

INSTANTIATE_TEST_SUITE_P(All, SharedPrefix,
                         testing::Values("dense", "biases", "rope_llama3", "nf4_double", "stored_nf4",
                                         "stored_fp4", "stored_int8", "lora", "lora_saved_norm",
                                         "two_adapters", "calibrated_ratio", "arena63_v2"),
                         by_name);

TEST(SharedPrefixLength, LeavesEverySequenceATokenOfItsOwn) {
  const std::vector<std::int32_t> a(40, 1), b(30, 1);
  std::vector<std::int32_t> c(40, 1);
  c[20] = 2;
  const auto of = [](std::vector<const std::vector<std::int32_t>*> s) { return shared_prefix(s); };
  EXPECT_EQ(of({&a}), 0u);
  EXPECT_EQ(of({&a, &a}), 39u);
  EXPECT_EQ(of({&a, &b}), 29u);
  EXPECT_EQ(of({&a, &c}), 20u);
  EXPECT_EQ(of({&a, &b, &c}), 20u);
  c[15] = 2;
  EXPECT_EQ(of({&a, &c}), 0u);  // 15 tokens are not worth it
}

Encoded item_of(std::vector<std::int32_t> ids) {
  Encoded item;
  item.orders.emplace_back().sequences.push_back(std::move(ids));
  item.prefixes = Prefixes::kShared;
  item.cost_tokens = distinct_tokens(item);
  return item;
}

std::vector<std::int32_t> ids(std::int32_t stem, std::size_t length, std::int32_t last, std::size_t more) {
  std::vector<std::int32_t> out(length, stem);
  out.insert(out.end(), more, last);
  return out;
}

TEST(Packer, BuildsOneSegmentForEachStem) {
  const std::vector<Encoded> all = {item_of(ids(1, 50, 7, 3)), item_of(ids(2, 9, 8, 5)),
                                    item_of(ids(1, 50, 9, 30)), item_of([] {
                                      auto nested = ids(1, 50, 9, 25);
                                      nested.insert(nested.end(), 4, 3);
                                      return nested;
                                    }())};
  const backend::Batch batch = pack(pointers(all), Prefixes::kShared);
  EXPECT_EQ(batch.rows(), 50 + 3 + 14 + 25 + 5 + 4);
  EXPECT_EQ(batch.parent, (std::vector<std::int32_t>{-1, 0, 0, 2, 2, -1}));
  EXPECT_EQ(batch.pooled, (std::vector<std::int32_t>{1, 5, 4, 3}));
  EXPECT_EQ(batch.positions[static_cast<std::size_t>(batch.offsets[4])], 75);
}

TEST(Packer, ComputesEqualSequencesOnce) {
  const std::vector<Encoded> all = {item_of(ids(1, 50, 7, 3)), item_of(ids(1, 50, 8, 3)),
                                    item_of(ids(1, 50, 7, 3))};
  const backend::Batch batch = pack(pointers(all), Prefixes::kShared);
  EXPECT_EQ(batch.rows(), 56);
  EXPECT_EQ(batch.pooled, (std::vector<std::int32_t>{1, 2, 1}));
}

// As the turns of one conversation are, each sent with all before it.
TEST(Packer, SharesNestedStemsAtAnyDepth) {
  std::vector<Encoded> turns;
  ForwardCost cost;
  for (std::int32_t k = 1; k <= 200; ++k) {
    std::vector<std::int32_t> ids;
    for (std::int32_t i = 0; i < 19 * k; ++i) ids.push_back(i % 1000);
    ids.push_back(5000 + k);
    turns.push_back(item_of(std::move(ids)));
  }
  for (const Encoded& turn : turns) cost.add(turn);
  const backend::Batch batch = pack(pointers(turns), Prefixes::kShared);
  EXPECT_LE(static_cast<std::size_t>(batch.rows()), cost.tokens() + kMinSharedPrefix * turns.size());
  EXPECT_LT(batch.rows(), 8000);
}

TEST(Packer, CountsWhatItemsAddBehindOthers) {
  const Encoded a = item_of(ids(1, 50, 7, 10)), b = item_of(ids(1, 50, 8, 5)), c = item_of(ids(1, 15, 2, 5));
  const auto behind_a = [&](const Encoded& item) {
    ForwardCost cost;
    cost.add(a);
    return cost.of(item);
  };
  EXPECT_EQ(behind_a(b), 5u);
  EXPECT_EQ(behind_a(c), 20u);  // 15 tokens alike are not shared
  EXPECT_EQ(behind_a(a), 0u);
  Encoded other = b;
  other.adapter = 1;
  EXPECT_EQ(behind_a(other), 55u);
  other = b;
  other.prefixes = Prefixes::kOfItem;
  EXPECT_EQ(behind_a(other), 55u);
}

TEST(Packer, KeepsWhatSharesMoreThanItAddsInOneForward) {
  std::vector<Encoded> items;
  for (std::int32_t i = 0; i < 6; ++i) items.push_back(item_of(ids(1, 50, 2 + i, 20)));
  EXPECT_EQ(count_for_forward(pointers(items), {.tokens = 100, .alike = 100}), 2u);
  EXPECT_EQ(count_for_forward(pointers(items), {.tokens = 100, .alike = 170}), 6u);
  EXPECT_EQ(count_for_forward(pointers(items), {.tokens = 10, .alike = 10}), 1u);  // at least one
}

TEST(Packer, BringsTogetherWhatStartsAlike) {
  const std::vector<Encoded> items = {item_of(ids(1, 50, 7, 3)), item_of(ids(2, 50, 7, 3)),
                                      item_of(ids(1, 50, 6, 3)), item_of(ids(2, 50, 6, 3))};
  EXPECT_EQ(alike_together(pointers(items)), (std::vector<std::size_t>{2, 0, 3, 1}));
}

}  // namespace
}  // namespace preferd::scorer
