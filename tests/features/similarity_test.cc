#include "features/similarity.h"

#include <gtest/gtest.h>

#include <sstream>

namespace preferd::features {
namespace {

TEST(Similarity, OfEqualTextsIsOneAndOfStrangersZero) {
  const Similarities s = similarities("red green blue", "blue red green", "yellow");
  EXPECT_TRUE(s.comparable);
  EXPECT_NEAR(s.a, 1.0, 1e-15);
  EXPECT_EQ(s.b, 0.0);
}

TEST(Similarity, NeedsTextAndAWordOfTwoCharacters) {
  EXPECT_FALSE(similarities("", "aa", "bb").comparable);
  EXPECT_FALSE(similarities("aa", " \x1f\u3000", "bb").comparable);
  EXPECT_FALSE(similarities("a b c !", "aa", "bb").comparable);
  EXPECT_TRUE(similarities("aa", "a", "!").comparable);
}

TEST(Similarity, SeesWordsInFullLowerCase) {
  EXPECT_NEAR(similarities("ΟΔΟΣ", "οδος", "οδοσ").a, 1.0, 1e-15);
  EXPECT_EQ(similarities("ΟΔΟΣ", "οδος", "οδοσ").b, 0.0);
  EXPECT_NEAR(similarities("İstanbul", "STANBUL", "istanbul").a, 1.0, 1e-15);
}

// 100 words twice, then 101 words once: of the latter the greatest in byte order loses its place.
TEST(Similarity, KeepsTwoHundredWordsAndBreaksTiesByCodePoint) {
  std::ostringstream prompt;
  for (int i = 0; i < 100; ++i) prompt << "b" << i << " b" << i << " ";
  for (int i = 200; i >= 100; --i) prompt << "c" << i << " ";
  const Similarities s = similarities(prompt.str(), "c200", "c199");
  EXPECT_EQ(s.a, 0.0);
  EXPECT_GT(s.b, 0.0);
}

}  // namespace
}  // namespace preferd::features
