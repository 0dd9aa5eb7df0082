#include "features/sentiment.h"

#include <gtest/gtest.h>

#include <ostream>
#include <string>

#include "features/emoticons.h"
#include "features/sentiment_lexicon.h"
#include "features/sentiment_tokens.h"

namespace preferd::features {
namespace {

struct Split {
  const char *text, *tokens;
};
void PrintTo(const Split& s, std::ostream* out) { *out << s.text; }
class SentimentTokens : public testing::TestWithParam<Split> {};

TEST_P(SentimentTokens, AreThoseOfPattern) {
  EXPECT_EQ(sentiment_tokens(GetParam().text), GetParam().tokens);
}

INSTANTIATE_TEST_SUITE_P(
    All, SentimentTokens,
    testing::Values(Split{"", ""}, Split{" \n\n\t", ""}, Split{"Hello, world!", "Hello , world !"},
                    Split{"isn't", "is n ' t"}, Split{"N'T n't", "N ' T n ' t"}, Split{"isn’t", "isn ’ t"},
                    Split{"(see below).", "( see below ) ."}, Split{"wait....", "wait ..."},
                    Split{"a..", "a. ."}, Split{"ab..", "ab . ."}, Split{"....a", "....a"},
                    Split{"Mr. Mxz. Moon.", "Mr. Mxz. Moon ."}, Split{"U.S.A.,", "U.S.A. ,"},
                    Split{"Med. etc. and vs. such.", "Med. etc. and vs. such ."}, Split{"e.g.)", "e.g. )"},
                    Split{"A|.", "A|."}, Split{"x.y", "x.y"}, Split{"--a--", "- - a - -"},
                    Split{"so (!) what", "so (!) what"}, Split{"( ! )", "(!)"}, Split{"((!))", "( (!) )"},
                    Split{"(\n\n!)", "(!)"}, Split{":-)", ":-)"}, Split{": - )", ":-)"}, Split{":))", ":) )"},
                    Split{"a :c)", "a :c)"}, Split{"(in 1998)", "( in 1998)"}, Split{"x D", "xD"},
                    Split{"x Dx", "x Dx"}, Split{"see: (a)", "see :( a )"}, Split{"° O °", "°O°"},
                    Split{": END-OF-SENTENCE )", ":)"}, Split{":\n\nD", ": D"}, Split{":\n \nD", ":D"},
                    Split{":\n\r\nD", ": D"}, Split{":\r\rD", ":D"}, Split{"a\x1c\x1f z", "a z"}));

struct Scored {
  const char* text;
  double polarity;
};
void PrintTo(const Scored& s, std::ostream* out) { *out << s.text; }
class Polarity : public testing::TestWithParam<Scored> {};

TEST_P(Polarity, IsThatOfTextBlob) { EXPECT_DOUBLE_EQ(polarity(GetParam().text), GetParam().polarity); }

INSTANTIATE_TEST_SUITE_P(
    All, Polarity,
    testing::Values(Scored{"", 0}, Scored{"Great!", 1}, Scored{"not good", -0.35}, Scored{"isn't good", 0.7},
                    Scored{"very good", 0.91}, Scored{"is not very good", -0.35 / 1.3},
                    Scored{"really really good!", 0.875}, Scored{"This is terribly bad :(", -0.725},
                    Scored{"<3 nice :D", 2.6 / 3}, Scored{"good (!) idea", 0.35}, Scored{"no bad", 0.35},
                    Scored{"U.S. is amazing", 0.6}, Scored{"good/bad", 0}, Scored{"很好", 0}, Scored{"XD", 0},
                    Scored{"\u212aIND", 0.6}));

TEST(Lexicon, KnowsItsWordsOnly) {
  ASSERT_NE(find_in_lexicon("good"), nullptr);
  EXPECT_EQ(find_in_lexicon("good")->role, Role::kPlain);
  EXPECT_EQ(find_in_lexicon("very")->role, Role::kModifier);
  EXPECT_EQ(find_in_lexicon("terribly")->polarity, find_in_lexicon("terrible")->polarity);
  for (const char* word : {"", "goo", "goodd", "Good", "zzz", "~", "for sure", "très"})
    EXPECT_EQ(find_in_lexicon(word), nullptr) << word;
}

TEST(Emoticons, AreKnownInLowerCase) {
  EXPECT_EQ(emoticon_polarity(":d"), 1.0);
  EXPECT_EQ(emoticon_polarity("°o°"), 0.05);
  EXPECT_EQ(emoticon_polarity(":'''("), -1.0);
  EXPECT_EQ(emoticon_polarity("xd"), std::nullopt);
  EXPECT_EQ(emoticon_polarity(":"), std::nullopt);
  EXPECT_EQ(emoticon_polarity(""), std::nullopt);
}

}  // namespace
}  // namespace preferd::features
