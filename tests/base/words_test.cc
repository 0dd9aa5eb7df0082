#include "base/words.h"

#include <gtest/gtest.h>

namespace preferd {
namespace elsewhere {

struct Engine {
  enum class Pace { kSlow, kFast };
};
constexpr auto words(Engine::Pace) {
  return word_list<Engine::Pace>({{"fast", Engine::Pace::kFast}, {"slow", Engine::Pace::kSlow}});
}

}  // namespace elsewhere

namespace {

using Pace = elsewhere::Engine::Pace;

static_assert(Worded<Pace> && !Worded<int>);

TEST(Words, AreFoundBesideTheEnumeration) {
  EXPECT_STREQ(word_of(Pace::kFast), "fast");
  EXPECT_STREQ(word_of(Pace::kSlow), "slow");
  EXPECT_EQ(value_of<Pace>("slow"), Pace::kSlow);
  EXPECT_EQ(value_of<Pace>("slo"), std::nullopt);
  EXPECT_EQ(value_of<Pace>(""), std::nullopt);
}

TEST(WordsDeathTest, EveryValueHasAWord) {
  EXPECT_DEATH(word_of(static_cast<Pace>(7)), "the value has a word");
}

}  // namespace
}  // namespace preferd
