// The interpreter against what jinja2 made of the same templates (tests/fixtures/make_templates.py).
#include "model/text/template/chat_template.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <array>
#include <fstream>
#include <sstream>

#include "tests/model/text/template/json_values.h"

namespace preferd::text::jinja {
namespace {

std::vector<OrderedJson> lines_of(const std::string& name) {
  std::string text;
  gzFile file = gzopen((std::string(PREFERD_FIXTURES "/templates/") + name).c_str(), "rb");
  EXPECT_NE(file, nullptr);
  std::array<char, 1 << 16> buffer;
  for (int n; (n = gzread(file, buffer.data(), buffer.size())) > 0;)
    text.append(buffer.data(), static_cast<std::size_t>(n));
  gzclose(file);
  std::vector<OrderedJson> out;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) out.push_back(OrderedJson::parse(line));
  return out;
}

Result<Rendered> rendered(const OrderedJson& one) {
  const auto chat = ChatTemplate::compile(one["template"].get<std::string>(), "case");
  if (!chat) return chat.error();
  RenderOptions options;
  options.limits.time = std::chrono::minutes(1);
  options.today = {2024, 7, 26};
  return chat->render(JsonValues().bindings(one["variables"]), options);
}

bool is_unsupported(const std::string& error) {
  for (const char* word :
       {"not supported", "does not fit in 64 bits", "depends on Python", "has no text that is the same",
        "grows past the limit", "too large for a float", "infinite float", "holds itself"})
    if (error.find(word) != std::string::npos) return true;
  return false;
}

TEST(ChatTemplateTest, EveryConstructIsThatOfJinja2) {
  const auto cases = lines_of("cases.jsonl.gz");
  ASSERT_GT(cases.size(), 150u);
  for (const OrderedJson& one : cases) {
    SCOPED_TRACE(one["template"].get<std::string>());
    const auto out = rendered(one);
    if (one.contains("refused"))
      EXPECT_FALSE(out) << out->text();
    else if (one["template"].get<std::string>().find("urlencode") != std::string::npos)
      EXPECT_FALSE(out);
    else
      EXPECT_EQ(out ? out->text() : out.error().what, one["text"].get<std::string>());
  }
}

TEST(ChatTemplateTest, RandomProgramsGiveTheSameTextOrAreRefused) {
  const auto programs = lines_of("programs.jsonl.gz");
  ASSERT_GT(programs.size(), 1500u);
  std::size_t unsupported = 0;
  for (const OrderedJson& one : programs) {
    SCOPED_TRACE(one["template"].get<std::string>() + "\n" + one["variables"].dump());
    const auto out = rendered(one);
    if (!out && is_unsupported(out.error().what))
      ++unsupported;
    else if (one.contains("refused"))
      EXPECT_FALSE(out) << one["refused"] << "\n" << out->text();
    else
      EXPECT_EQ(out ? out->text() : out.error().what, one["text"].get<std::string>());
  }
  EXPECT_LT(unsupported, programs.size() / 20);
}

TEST(ChatTemplateTest, AnErrorNamesTheTemplateAndItsLine) {
  const auto chat = ChatTemplate::compile("a\n\n{{ b.c }}", "model/chat_template.jinja");
  ASSERT_TRUE(chat);
  EXPECT_EQ(chat->render({}).error().what, "model/chat_template.jinja, line 3: 'b' is undefined");
  EXPECT_EQ(ChatTemplate::compile("\n{% include 'x' %}", "t").error().what,
            "t, line 2: the tag 'include' is not supported");
  EXPECT_EQ(ChatTemplate::compile("{{ x|urlencode }}", "t").error().what,
            "t, line 1: the filter 'urlencode' is not supported");
  const auto raises = ChatTemplate::compile("{{ raise_exception('Roles have to alternate.') }}", "t");
  EXPECT_EQ(raises->render({}).error().what,
            "t, line 1: the template refuses its input: Roles have to alternate.");
}

TEST(ChatTemplateTest, OneTemplateRendersAnyNumberOfTimes) {
  const auto chat =
      ChatTemplate::compile("{% set ns = namespace(n=0) %}{% set ns.n = ns.n + x %}{{ ns.n }}", "t");
  ASSERT_TRUE(chat);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(chat->render({{"x", Value::integer(i)}})->text(), std::to_string(i));
}

TEST(ChatTemplateTest, VariablesHideGlobals) {
  const auto chat = ChatTemplate::compile("{{ range }}{{ dict }}", "t");
  ASSERT_TRUE(chat);
  EXPECT_EQ(chat->render({{"range", Value::integer(1)}, {"dict", Value::integer(2)}})->text(), "12");
}

TEST(ChatTemplateTest, TheDateIsTheCallers) {
  const auto chat = ChatTemplate::compile("{{ strftime_now('%Y-%m-%d %a') }}", "t");
  ASSERT_TRUE(chat);
  EXPECT_EQ(chat->render({}, {{}, {2025, 2, 28}})->text(), "2025-02-28 Fri");
  EXPECT_EQ(chat->render({})->text(), "1970-01-01 Thu");
}

}  // namespace
}  // namespace preferd::text::jinja
