#include "base/utf8.h"
#include "tests/model/text/fixtures.h"

namespace preferd::text {
namespace {

using namespace testing_text;

// A line is a tokenizer of one kind, and what Hugging Face's library makes of texts with it.
TEST(TokenizerKinds, GiveTheLibrarysTokens) {
  const std::vector<Json> kinds = lines(".", "kinds.jsonl.gz");
  ASSERT_GT(kinds.size(), 15u);
  for (const Json& kind : kinds) {
    const std::string name = kind["name"].get<std::string>();
    const auto tokenizer = load_tokenizer(MemoryFiles({{"tokenizer.json", kind["tokenizer"].dump()}}));
    ASSERT_TRUE(tokenizer) << name << ": " << tokenizer.error().what;
    for (const Json& c : kind["cases"]) {
      const std::string text = (*tokenizer)->clean(c[0].get<std::string>());
      std::vector<Token> tokens;
      (*tokenizer)->encode(text, Before::kNothing, tokens);
      Json ids = Json::array();
      std::uint32_t before = 0;
      for (const Token& t : tokens) {
        ids.push_back(t.id);
        EXPECT_GE(t.begin, before) << name << ": " << c[0].dump();
        before = t.begin;
        EXPECT_TRUE(before >= text.size() || !utf8::is_continuation(text[before])) << name;
      }
      EXPECT_EQ(ids, c[1]) << name << ": " << c[0].dump();
    }
  }
}

TEST(TokenizerKinds, PutMetaspacesFirstOnlyBeforeASequence) {
  for (const Json& kind : lines(".", "kinds.jsonl.gz")) {
    const std::string name = kind["name"].get<std::string>();
    if (name != "fallback_first_whole" && name != "unigram_first") continue;
    const auto tokenizer = load_tokenizer(MemoryFiles({{"tokenizer.json", kind["tokenizer"].dump()}}));
    ASSERT_TRUE(tokenizer);
    std::vector<Token> first, later, spaced;
    (*tokenizer)->encode("lazy", Before::kNothing, first);
    (*tokenizer)->encode("lazy", Before::kTokens, later);
    (*tokenizer)->encode(" lazy", Before::kTokens, spaced);
    const auto ids = [](const std::vector<Token>& tokens) {
      std::vector<std::int32_t> out;
      for (const Token& t : tokens) out.push_back(t.id);
      return out;
    };
    EXPECT_NE(ids(first), ids(later)) << name;
    EXPECT_EQ(ids(first), ids(spaced)) << name;
  }
}

}  // namespace
}  // namespace preferd::text
