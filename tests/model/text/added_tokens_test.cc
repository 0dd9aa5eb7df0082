// Flags of control tokens, tokens that stand only in the configuration, and special texts that name no token.
#include <gtest/gtest.h>

#include "model/text/input.h"
#include "tests/model/text/fixtures.h"
#include "tests/model/text/spec_json.h"

namespace preferd::text {
namespace {

using namespace testing_text;
using Ids = std::vector<std::int32_t>;

constexpr const char* kEnd = "<|im_end|>";

// The tokens of a template whose fields are `prompt` and `response_a`.
Result<Ids> ids_of(const std::map<std::string, std::string>& files, const Json& segments, const Pair& pair) {
  auto tokenizer = load_tokenizer(MemoryFiles(files));
  if (!tokenizer) return tokenizer.error();
  const Json input = {{"layout", "pair"}, {"template", segments}, {"max_tokens", 64}};
  auto builder = InputBuilder::create(read_input_spec(input), *tokenizer, MemoryFiles({}));
  if (!builder) return builder.error();
  auto made = (*builder)->build(pair);
  if (!made) return made.error();
  return made->sequences[0];
}

const Json kEnclosed = {
    {{"field", "prompt"}}, {{"text", kEnd}, {"special", true}}, {{"field", "response_a"}}};

std::map<std::string, std::string> flagged(const char* flag) {
  auto files = tokenizer_files("qwen2");
  Json spec = Json::parse(files["tokenizer.json"]);
  for (Json& token : spec["added_tokens"])
    if (token["content"] == kEnd) token[flag] = true;
  files["tokenizer.json"] = spec.dump();
  return files;
}

TEST(ControlToken, TakesTheWhiteSpaceThatItsFlagsSay) {
  const auto plain = tokenizer_files("qwen2");
  const Pair spaced{"why? \n\t", " \n so", ""}, right{"why? \n\t", "so", ""}, left{"why?", " \n so", ""};
  const auto behind = ids_of(flagged("rstrip"), kEnclosed, spaced),
             before = ids_of(flagged("lstrip"), kEnclosed, spaced);
  ASSERT_TRUE(behind && before);
  EXPECT_EQ(*behind, *ids_of(plain, kEnclosed, right));
  EXPECT_EQ(*before, *ids_of(plain, kEnclosed, left));
  EXPECT_NE(*behind, *ids_of(plain, kEnclosed, spaced));
}

TEST(ControlToken, TakesTheWhiteSpaceOfSeveralParts) {
  const Json segments = {{{"field", "prompt"}},
                         {{"text", " \n"}},
                         {{"text", kEnd}, {"special", true}},
                         {{"text", "\n "}},
                         {{"field", "response_a"}}};
  auto files = flagged("rstrip");
  Json spec = Json::parse(files["tokenizer.json"]);
  for (Json& token : spec["added_tokens"])
    if (token["content"] == kEnd) token["lstrip"] = true;
  files["tokenizer.json"] = spec.dump();
  const auto got = ids_of(files, segments, {" \n", "  so", ""});
  ASSERT_TRUE(got);
  EXPECT_EQ(*got, *ids_of(tokenizer_files("qwen2"), kEnclosed, {"", "so", ""}));
}

TEST(ControlToken, IsRefusedAsASingleWord) {
  const auto got = ids_of(flagged("single_word"), kEnclosed, {"a", "b", ""});
  ASSERT_FALSE(got);
  EXPECT_NE(got.error().what.find("single_word"), std::string::npos);
}

TEST(ConfiguredTokens, AreThoseOfTheTokenizerToo) {
  const Json segments = {{{"text", "<|judge|>"}, {"special", true}}, {{"field", "prompt"}}};
  auto files = tokenizer_files("qwen2");
  const auto without = ids_of(files, segments, {"a", "", ""});
  ASSERT_FALSE(without);
  EXPECT_NE(without.error().what.find("'<|judge|>' is no token"), std::string::npos);
  const std::int32_t id = (*load_tokenizer(MemoryFiles(files)))->top_id() + 1;
  const std::string key = std::to_string(id);
  files["tokenizer_config.json"] =
      Json{{"added_tokens_decoder", {{key, {{"content", "<|judge|>"}, {"special", true}}}}}}.dump();
  const auto decoder = ids_of(files, segments, {"a", "", ""});
  ASSERT_TRUE(decoder) << decoder.error().what;
  EXPECT_EQ(decoder->front(), id);
  files["tokenizer_config.json"] = R"({"eos_token": "<|judge|>"})";
  files["added_tokens.json"] = Json{{"<|judge|>", id}}.dump();
  const auto legacy = ids_of(files, segments, {"a", "", ""});
  ASSERT_TRUE(legacy) << legacy.error().what;
  EXPECT_EQ(*legacy, *decoder);
  files["added_tokens.json"] = Json{{"<|judge|>", id - 1}}.dump();
  const auto taken = ids_of(files, segments, {"a", "", ""});
  ASSERT_FALSE(taken);
  EXPECT_NE(taken.error().what.find("added_tokens.json"), std::string::npos);
}

TEST(SpecialText, IsRefusedWhereItLooksLikeATokenAndIsNone) {
  const auto files = tokenizer_files("qwen2");
  const auto with = [&](const char* text) {
    return ids_of(files, {{{"text", text}, {"special", true}}, {{"field", "prompt"}}}, {"a", "", ""});
  };
  EXPECT_TRUE(with("<|im_start|>user\n"));
  EXPECT_TRUE(with(""));
  EXPECT_TRUE(with("plain words here"));
  for (const char* text : {"<|im_start|>user\n<|nosuch|>", "[INST]", "<start_of_turn>\n"}) {
    const auto refused = with(text);
    ASSERT_FALSE(refused) << text;
    EXPECT_NE(refused.error().what.find("no token of this tokenizer"), std::string::npos);
  }
}

}  // namespace
}  // namespace preferd::text
