// Sharing a prefix saves work and changes no bit: packed bodies with parents against the same sequences on
// their own.
#include <random>

#include <c10/core/InferenceMode.h>

#include "model/scorer/adapted_model.h"
#include "model/scorer/packer.h"
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

}  // namespace
}  // namespace preferd::scorer
