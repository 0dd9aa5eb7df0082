// Chat wrappers by cuts, joinings and layouts, over rows as files hold them (tests/fixtures/make_chats.py).
#include "model/text/chat.h"

#include "rows/rows.h"
#include "tests/model/text/fixtures.h"
#include "tests/model/text/spec_json.h"

namespace preferd::text {
namespace {

using namespace testing_text;

std::vector<rows::Row> file_rows() {
  auto reader = rows::RowReader::open(PREFERD_FIXTURES "/text/rows.jsonl", rows::RowFormat::kAuto);
  std::vector<rows::Row> rows;
  for (auto read = reader->next(); read && *read; read = reader->next()) rows.push_back(*(**read).row);
  return rows;
}

class EveryChat : public testing::TestWithParam<std::string> {};

TEST_P(EveryChat, BecomesWhatTheReferenceMakesOfIt) {
  const std::vector<rows::Row> rows = file_rows();
  ASSERT_EQ(rows.size(), 15u);
  const auto tokenizer = load(GetParam());
  ASSERT_TRUE(tokenizer) << tokenizer.error().what;
  int inputs = 0, cut = 0;
  for (const Json& c : lines(GetParam(), "chats.jsonl.gz")) {
    std::map<std::string, std::string> files;
    if (!c["chat_template"].is_null()) files["chat_template.jinja"] = c["chat_template"];
    const auto builder = InputBuilder::create(read_input_spec(c["input"]), *tokenizer, MemoryFiles(files));
    ASSERT_TRUE(builder) << builder.error().what << c["input"].dump();
    for (const Json& want : c["wants"]) {
      const rows::Row& row = rows.at(want[0]);
      SCOPED_TRACE("row " + row.id + " of " + c["input"].dump());
      const auto got = (*builder)->build({row.prompt, row.response_a, row.response_b});
      ASSERT_EQ(static_cast<bool>(got), !want[1].is_null());
      if (!got) continue;
      ASSERT_EQ(inputs_json(*got), want[1]);
      ++inputs;
      if (!want[1]["truncated"].empty()) ++cut;
    }
  }
  EXPECT_EQ(inputs, 648);
  EXPECT_GT(cut, 300);
}

INSTANTIATE_TEST_SUITE_P(All, EveryChat, testing::Values("gemma2", "llama3", "qwen2"),
                         [](const auto& directory) { return directory.param; });

}  // namespace
}  // namespace preferd::text
