// What a forward that records nothing does in place and in chunks of rows has the bits of the forward that
// training records: every fixture package, every pooling, more rows than a chunk holds.
#include <ATen/core/grad_mode.h>

#include "model/layers/chunks.h"
#include "model/scorer/adapted_model.h"
#include "model/scorer/packer.h"
#include "tests/model/scorer/fixtures.h"

namespace preferd::scorer {
namespace {

using namespace testing_scorer;

class Serving : public EachPackage {};

TEST_P(Serving, HasTheBitsOfTheForwardThatIsRecorded) {
  const auto encoder = PairEncoder::open(*open_directory(kPackages + GetParam()));
  ASSERT_TRUE(encoder) << encoder.error().what;
  const auto model = load_model(**encoder);
  ASSERT_TRUE(model) << model.error().what;
  std::vector<Encoded> items;
  std::size_t tokens = 0;
  for (Ask ask : asks_of(GetParam()))
    for (const Swap swap : {Swap::kNone, Swap::kAverage}) {
      ask.swap = swap;
      auto encoded = (*encoder)->encode(ask);
      ASSERT_TRUE(encoded) << encoded.error().what;
      tokens += encoded->cost_tokens;
      items.push_back(std::move(*encoded));
    }
  ASSERT_GT(tokens, static_cast<std::size_t>(layers::kChunkRows));
  std::stable_sort(items.begin(), items.end(),
                   [](const auto& a, const auto& b) { return a.adapter < b.adapter; });
  const backend::Batch batch = pack(pointers(items), (*encoder)->prefixes());
  std::vector<const std::map<std::string, checkpoint::LoraWeights>*> projections;
  for (const LoadedAdapter& adapter : model->adapters) projections.push_back(&adapter.projections);
  for (const auto& body : model->bodies)
    for (const package::Pooling pooling :
         {package::Pooling::kLast, package::Pooling::kFirst, package::Pooling::kMean}) {
      ops::Compute one(1), three(3);
      const at::Tensor recorded = body->pooled(one, batch, pooling, projections);
      const at::NoGradGuard serving;
      EXPECT_TRUE(body->pooled(one, batch, pooling, projections).equal(recorded))
          << static_cast<int>(pooling);
      EXPECT_TRUE(body->pooled(three, batch, pooling, projections).equal(recorded))
          << static_cast<int>(pooling);
    }
}

INSTANTIATE_TEST_SUITE_P(All, Serving, testing::ValuesIn(package_names()), by_name);

}  // namespace
}  // namespace preferd::scorer
