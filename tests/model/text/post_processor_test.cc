// What a tokenizer puts around texts, and the chat template of a directory.
#include "model/text/post_processor.h"

#include <gtest/gtest.h>

#include "model/text/chat_template_file.h"
#include "tests/model/text/fixtures.h"

namespace preferd::text {
namespace {

using namespace testing_text;
using Ids = std::vector<std::int32_t>;

Result<PostProcessor> read(const std::string& json) { return read_post_processor(*parse_json(json)); }

constexpr const char* kTemplate = R"({"type": "TemplateProcessing",
  "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
  "pair": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}},
           {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": "</s>", "type_id": 1}}],
  "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}, "</s>": {"id": "</s>", "ids": [2, 7], "tokens": ["a", "b"]}}})";

TEST(PostProcessor, ReadsATemplate) {
  const auto p = read(kTemplate);
  ASSERT_TRUE(p) << p.error().what;
  EXPECT_EQ(p->one.front, (Ids{1}));
  EXPECT_EQ(p->one.middle, (Ids{}));
  EXPECT_EQ(p->one.back, (Ids{2, 7}));
  EXPECT_EQ(p->two.front, (Ids{1}));
  EXPECT_EQ(p->two.middle, (Ids{2, 7, 1}));
  EXPECT_EQ(p->two.back, (Ids{2, 7}));
  EXPECT_EQ(p->types, PairTypes::kSecond);
  std::string mixed = kTemplate;
  mixed.replace(mixed.rfind("\"type_id\": 1"), 12, "\"type_id\": 0");
  EXPECT_EQ(read(mixed)->types, PairTypes::kOther);
}

TEST(PostProcessor, ReadsTheOlderTypes) {
  const auto bert = read(R"({"type": "BertProcessing", "sep": ["[SEP]", 5], "cls": ["[CLS]", 4]})");
  const auto roberta = read(R"({"type": "RobertaProcessing", "sep": ["</s>", 5], "cls": ["<s>", 4]})");
  ASSERT_TRUE(bert && roberta);
  EXPECT_EQ(bert->one.front, (Ids{4}));
  EXPECT_EQ(bert->two.middle, (Ids{5}));
  EXPECT_EQ(roberta->two.middle, (Ids{5, 5}));
  EXPECT_EQ(roberta->two.back, (Ids{5}));
  EXPECT_EQ(bert->types, PairTypes::kSecond);
  EXPECT_EQ(roberta->types, PairTypes::kOne);
}

TEST(PostProcessor, TakesThePartOfASequenceThatAdds) {
  const auto p =
      read(std::string(R"({"type": "Sequence", "processors": [{"type": "ByteLevel"}, )") + kTemplate + "]}");
  ASSERT_TRUE(p);
  EXPECT_EQ(p->one.front, (Ids{1}));
  const auto nothing = read(R"({"type": "ByteLevel"})"), null = read("null");
  ASSERT_TRUE(nothing && null);
  EXPECT_TRUE(nothing->one.front.empty() && null->one.front.empty());
}

TEST(PostProcessor, RefusesByName) {
  for (
      const auto& [json, word] :
      {std::pair{R"({"type": "Nosuch"})", "Nosuch"},
       {R"({"type": "BertProcessing", "sep": ["x"], "cls": ["y", 1]})", "sep"},
       {R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}], "pair": [], "special_tokens": {}})",
        "<s>"},
       {R"({"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A"}}],
             "pair": [{"Sequence": {"id": "B"}}, {"Sequence": {"id": "A"}}], "special_tokens": {}})",
        "order"}}) {
    const auto p = read(json);
    ASSERT_FALSE(p) << json;
    EXPECT_NE(p.error().what.find(word), std::string::npos) << p.error().what;
  }
}

TEST(ChatTemplateFile, IsFoundAsTransformersFindsIt) {
  const auto found = [](const std::map<std::string, std::string>& files) {
    return read_chat_template(MemoryFiles(files));
  };
  EXPECT_EQ(*found({}), "");
  EXPECT_EQ(*found({{"tokenizer_config.json", R"({"chat_template": "one"})"}}), "one");
  EXPECT_EQ(
      *found({{"tokenizer_config.json", R"({"chat_template": "one"})"}, {"chat_template.jinja", "two"}}),
      "two");
  const std::string several =
      R"({"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]})";
  EXPECT_EQ(*found({{"tokenizer_config.json", several}}), "d");
  const auto none =
      found({{"tokenizer_config.json", R"({"chat_template": [{"name": "rag", "template": "t"}]})"}});
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().what.find("rag"), std::string::npos);
  EXPECT_FALSE(found({{"tokenizer_config.json", R"({"chat_template": 1})"}}));
}

}  // namespace
}  // namespace preferd::text
