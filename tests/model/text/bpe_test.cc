#include "model/text/bpe.h"

#include <gtest/gtest.h>

#include <random>

#include "model/text/added_tokens.h"
#include "model/text/vocabulary.h"

namespace preferd::text {
namespace {

// Merges the pair of lowest rank, leftmost first, by looking at all of them each time.
std::vector<std::int32_t> slowly_merged(const Merges& merges, std::vector<std::int32_t> ids) {
  while (true) {
    std::size_t best = ids.size();
    Merges::Merge found{Merges::kNone, 0};
    for (std::size_t i = 0; i + 1 < ids.size(); ++i)
      if (const auto m = merges.find(ids[i], ids[i + 1]); m.rank < found.rank) {
        found = m;
        best = i;
      }
    if (found.rank == Merges::kNone) return ids;
    ids[best] = found.id;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

TEST(Merger, AgreesWithTheDefinitionForShortAndLongWords) {
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    Merges merges;
    std::int32_t ids = 4;
    for (std::uint32_t rank = 0; rank < 60; ++rank) {
      const auto left = static_cast<std::int32_t>(random() % ids),
                 right = static_cast<std::int32_t>(random() % ids);
      if (merges.find(left, right).rank == Merges::kNone) merges.insert(left, right, {rank, ids++});
    }
    std::vector<std::int32_t> word(random() % 120);
    std::vector<Token> tokens{{7, 0, true}};
    for (std::uint32_t i = 0; i < word.size(); ++i) {
      word[i] = static_cast<std::int32_t>(random() % 4);
      tokens.push_back({word[i], i, true});
    }
    Merger(merges).merge(tokens, 1);
    std::vector<std::int32_t> got;
    for (std::size_t i = 1; i < tokens.size(); ++i) got.push_back(tokens[i].id);
    EXPECT_EQ(got, slowly_merged(merges, word));
    EXPECT_EQ(tokens[0].id, 7);
    EXPECT_TRUE(tokens.size() == 1 || tokens[1].begin == 0);
  }
}

TEST(Merges, LastOfTwoCounts) {
  Merges merges;
  for (std::int32_t i = 0; i < 100; ++i) merges.insert(i, i, {static_cast<std::uint32_t>(i), i + 100});
  merges.insert(5, 5, {500, 999});
  EXPECT_EQ(merges.find(5, 5).rank, 500u);
  EXPECT_EQ(merges.find(99, 99).id, 199);
  EXPECT_EQ(merges.find(1, 2).rank, Merges::kNone);
}

TEST(Vocabulary, FindsWhatWasPutIn) {
  Vocabulary v;
  for (std::int32_t i = 0; i < 1000; ++i) EXPECT_TRUE(v.insert("piece number " + std::to_string(i), i));
  EXPECT_FALSE(v.insert("piece number 7", 3));
  EXPECT_TRUE(v.insert("", 1000));
  EXPECT_EQ(v.find("piece number 999"), 999);
  EXPECT_EQ(v.find(""), 1000);
  EXPECT_EQ(v.find("piece"), Vocabulary::kNone);
  EXPECT_EQ(Vocabulary().find("x"), Vocabulary::kNone);
}

constexpr auto kPlain = AddedToken::Kind::kPlain, kControl = AddedToken::Kind::kControl;

TEST(AddedTokens, FindsTheLongestOfTheLeftmost) {
  const AddedTokens added({{"<u", 1, kPlain}, {"<u1>", 2, kPlain}, {"u1>x", 3, kPlain}});
  const auto match = added.find("a<u1>x", 0);
  EXPECT_EQ(match.id, 2);
  EXPECT_EQ(match.begin, 1u);
  EXPECT_EQ(match.end, 5u);
  EXPECT_EQ(added.find("a<u1", 0).id, 1);
  EXPECT_EQ(added.find("a<u1>x", 2).id, 3);
  EXPECT_EQ(added.find("plain", 0).begin, 5u);
}

TEST(AddedTokens, FindsNothingInsideALookAlikeOfAControlToken) {
  const AddedTokens added({{"<|end|>", 1, kControl}, {"end", 2, kPlain}});
  const auto match = added.find("<|end|> end", 0);
  EXPECT_EQ(match.id, 2);
  EXPECT_EQ(match.begin, 8u);
  EXPECT_EQ(added.find("<|end end", 0).begin, 2u);
  EXPECT_FALSE(AddedTokens({{"<s>", 1, kControl}}).any());
}

TEST(Trie, WalksAndFindsPrefixes) {
  const Trie trie({{"b", 1}, {"abc", 2}, {"ab", 3}, {"", 4}, {"a\xFF", 5}});
  EXPECT_EQ(trie.value(Trie::kRoot), 4);
  EXPECT_EQ(trie.longest_prefix("abcd"), 3u);
  EXPECT_EQ(trie.longest_prefix("abd"), 2u);
  EXPECT_EQ(trie.longest_prefix("a"), 0u);
  EXPECT_EQ(trie.value(trie.step(trie.step(Trie::kRoot, 'a'), '\xFF')), 5);
  EXPECT_EQ(trie.step(Trie::kRoot, 'c'), Trie::kDead);
  EXPECT_EQ(Trie().step(Trie::kRoot, 'a'), Trie::kDead);
}

}  // namespace
}  // namespace preferd::text
