#include "training/data/encoded_store.h"

#include <atomic>

#include "tests/training/data/work_folder.h"

namespace preferd::training {
namespace {

using testing::HasSubstr;

class Store : public testing::Test {
 protected:
  Store() {
    auto options = training_on({kSamples + "arena_train.jsonl.gz"});
    options.classes = 3;
    data_ = *open_data(options, folder_);
  }

  static std::shared_ptr<const scorer::PairEncoder> encoder(const std::string& package) {
    return *scorer::PairEncoder::open(*open_directory(PREFERD_FIXTURES "/packages/" + package));
  }
  Result<std::shared_ptr<const EncodedStore>> open(const scorer::PairEncoder& e,
                                                   Orders orders = Orders::kBoth) {
    return EncodedStore::open(*data_, data_->train(), *text_side(e), {folder_.path(), orders, BadRows::kStop},
                              pool_, {});
  }

  WorkFolder folder_;
  std::shared_ptr<const Dataset> data_;
  ThreadPool pool_{3};
};

TEST_F(Store, HoldsWhatTheEncoderMakes) {
  for (const char* package : {"dense", "lora", "arena63", "arena63_v2", "arena63_v2_siamese"}) {
    SCOPED_TRACE(package);
    const auto e = encoder(package);
    const auto store = open(*e);
    ASSERT_TRUE(store) << store.error().what;
    const bool is_mirrored = e->manifest().output() == package::Output::kDifference;
    EXPECT_EQ((*store)->orders(), is_mirrored ? Orders::kGiven : Orders::kBoth);
    EXPECT_EQ((*store)->examples(), data_->train());
    std::atomic<int> different = 0;
    pool_.run((*store)->size(), [&](std::size_t i, int) {
      const auto got = (*store)->load(i);
      const auto want = e->encode(
          {data_->load(data_->train()[i])->pair, "", scorer::Swap::kAverage, scorer::Overflow::kPackage});
      bool same = got && got->orders.size() == want->orders.size() && got->cost_tokens == want->cost_tokens &&
                  got->tokens.total == want->tokens.total;
      std::size_t most = 0;
      for (std::size_t o = 0; same && o < want->orders.size(); ++o) {
        const scorer::EncodedOrder &g = got->orders[o], &w = want->orders[o];
        same = g.sequences == w.sequences && g.features.size() == w.features.size() &&
               std::memcmp(g.features.data(), w.features.data(), 4 * w.features.size()) == 0;
        std::size_t sum = 0;
        for (const auto& s : w.sequences) sum += s.size();
        most = std::max(most, sum);
      }
      same = same && (*store)->tokens()[i] == most;
      for (std::size_t p = 0; same && p < 4; ++p)
        same = got->truncated[p].tokens == want->truncated[p].tokens;
      if (!same) ++different;
    });
    EXPECT_EQ(different, 0);
  }
}

TEST_F(Store, IsUsedAgainForTheSameTextSideAlone) {
  const auto dense = encoder("dense"), nf4 = encoder("nf4"), lora = encoder("lora_layers");
  EXPECT_FALSE((*open(*dense))->reused());
  EXPECT_TRUE((*open(*dense))->reused());
  EXPECT_FALSE((*open(*dense, Orders::kGiven))->reused());
  EXPECT_EQ((*open(*dense, Orders::kGiven))->load(0)->orders.size(), 1u);
  EXPECT_FALSE((*open(*lora))->reused());
  EXPECT_FALSE((*EncodedStore::open(*data_, {0, 1}, *text_side(*dense),
                                    {folder_.path(), Orders::kBoth, BadRows::kStop}, pool_, {}))
                   ->reused());
}

TEST_F(Store, IsBuiltAnewWhenCutShortOrForeign) {
  const auto e = encoder("dense");
  const std::string path = (*open(*e))->path(), bytes = WorkFolder::read(path);
  const auto rebuilt = [&](const std::string& other) {
    std::filesystem::remove(path);
    std::ofstream(path, std::ios::binary) << other;
    const auto store = open(*e);
    return store && !(*store)->reused() && WorkFolder::read(path) == bytes;
  };
  for (const std::size_t size : {std::size_t{0}, std::size_t{10}, bytes.size() / 2, bytes.size() - 1})
    EXPECT_TRUE(rebuilt(bytes.substr(0, size))) << size;
  EXPECT_TRUE(rebuilt(bytes + "x"));
  EXPECT_TRUE(rebuilt(std::string(bytes.size(), 'x')));
  for (const std::size_t at : {std::size_t{3}, std::size_t{20}, std::size_t{85}, bytes.size() - 3}) {
    std::string flipped = bytes;
    flipped[at] ^= 1;
    EXPECT_TRUE(rebuilt(flipped)) << at;
  }
  std::string inside = bytes;
  inside[bytes.size() / 3] ^= 1;
  std::ofstream(path, std::ios::binary) << inside;
  const auto store = *open(*e);
  EXPECT_TRUE(store->reused());
  int damaged = 0;
  for (std::size_t i = 0; i < store->size(); ++i)
    if (const auto x = store->load(i); !x) {
      ++damaged;
      EXPECT_THAT(x.error().what, HasSubstr("is damaged"));
    }
  EXPECT_EQ(damaged, 1);
}

TEST_F(Store, SaysWhereItCannotWrite) {
  const auto store = EncodedStore::open(*data_, data_->train(), *text_side(*encoder("dense")),
                                        {"/proc/nothing", Orders::kBoth, BadRows::kStop}, pool_, {});
  ASSERT_FALSE(store);
  EXPECT_THAT(store.error().what, HasSubstr("/proc/nothing"));
}

}  // namespace
}  // namespace preferd::training
