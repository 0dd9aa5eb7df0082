#include "rows/rows.h"

#include <gmock/gmock.h>

#include "tests/rows/temporary_file.h"

namespace preferd::rows {
namespace {

// "id prompt|response_a|response_b", "id ! complaint" of a bad row, "!! complaint" of a bad file.
std::vector<std::string> read(const std::string& path, RowFormat format,
                              InvalidText invalid_text = InvalidText::kError) {
  auto reader = RowReader::open(path, format, invalid_text);
  if (!reader) return {"!! " + reader.error().what};
  std::vector<std::string> out;
  while (true) {
    auto next = reader->next();
    if (!next) {
      out.push_back("!! " + next.error().what);
      return out;
    }
    if (!*next) return out;
    const RowRead& got = **next;
    if (!got.row) {
      out.push_back(got.id + " ! " + got.row.error().what);
      continue;
    }
    EXPECT_EQ(got.id, got.row->id);
    out.push_back(got.id + " " + got.row->prompt + "|" + got.row->response_a + "|" + got.row->response_b);
    if (got.row->adapter) out.back() += " adapter " + *got.row->adapter;
    if (got.row->swap) out.back() += std::string(" swap ") + word_of(*got.row->swap);
  }
}

std::vector<std::string> json_rows(const std::string& text) {
  const TemporaryFile file(text);
  return read(file.path(), RowFormat::kAuto);
}

std::vector<std::string> csv_rows(const std::string& text) {
  const TemporaryFile file(text, ".csv");
  return read(file.path(), RowFormat::kAuto);
}

using Rows = std::vector<std::string>;
const std::string kPair = R"("prompt":"p","response_a":"a","response_b":"b")";

TEST(JsonRows, KeepIdsAndTheirTypes) {
  EXPECT_EQ(json_rows("{\"id\":\"x\"," + kPair + "}\n{\"id\":17," + kPair + "}\n{\"id\":[1,null]," + kPair +
                      "}\n{\"id\":null," + kPair + "}\n"),
            Rows({"\"x\" p|a|b", "17 p|a|b", "[1,null] p|a|b", "null p|a|b"}));
}

TEST(JsonRows, WithoutIdHaveTheirLineNumber) {
  EXPECT_EQ(json_rows("\uFEFF{" + kPair + "}\r\n\r\n \t\n{" + kPair + ",\"other\":{}}"),
            Rows({"1 p|a|b", "4 p|a|b"}));
}

TEST(JsonRows, MayBeTurns) {
  EXPECT_EQ(json_rows(R"({"prompt":["u","v"],"response_a":[null,"a"],"response_b":null})"),
            Rows({"1 u\n\nv|\n\na|"}));
  EXPECT_EQ(
      json_rows(R"({"prompt":"[\"u\",\"v\"]","response_a":"[\"a\",null]","response_b":" [ null,\"b\"]"})"),
      Rows({"1 u\n\nv|a\n\n|\n\nb"}));
  EXPECT_EQ(json_rows(R"({"prompt":"[\"u\"]","response_a":"[1]","response_b":"[null]"})"),
            Rows({R"(1 ["u"]|[1]|[null])"}));
  EXPECT_EQ(json_rows(R"({"prompt":"[\"u\"]","response_a":["a"],"response_b":"[\"b\"]"})"),
            Rows({R"(1 ["u"]|a|["b"])"}));
  EXPECT_EQ(json_rows(R"({"prompt":[{"role":"user","content":"u"}],"response_a":"","response_b":"b"})"),
            Rows({"1 u||b"}));
}

TEST(JsonRows, MayBeVotes) {
  EXPECT_EQ(
      json_rows(R"({"prompt":[{"role":"user","content":"p"}],"chosen":[{"role":"assistant","content":"c"}],)"
                R"("rejected":[{"role":"assistant","content":"r"}]})"
                "\n"
                R"({"prompt":"p","chosen":"c","rejected":"r","score_chosen":8.5,"winner":"model_b"})"
                "\n"
                R"({"chosen":"\n\nHuman: p\n\nAssistant: c","rejected":"\n\nHuman: p\n\nAssistant: r"})"
                "\n"
                R"({"prompt":"p","response_a":"a","response_b":"b","chosen":"c","rejected":"r"})"
                "\n"
                R"({"prompt":"p","response_a":"a","chosen":"c","rejected":"r"})"),
      Rows({"1 p|c|r", "2 p|c|r", "3 \n\nHuman: p\n\nAssistant:| c| r", "4 p|a|b",
            "5 ! response_a stands beside chosen and rejected, expected these two alone, or response_a, "
            "response_b"}));
}

TEST(JsonRows, MayNameAdapterAndSwap) {
  EXPECT_EQ(json_rows("{\"adapter\":\"x\",\"swap\":\"average\"," + kPair +
                      "}\n{\"adapter\":null,\"swap\":null," + kPair + "}"),
            Rows({"1 p|a|b adapter x swap average", "2 p|a|b"}));
}

TEST(JsonRows, ThatAreBadDoNotEndTheRun) {
  const Rows rows = json_rows(
      "{\"id\":\"x\",\"prompt\":\"p\"}\nnot "
      "json\n[1]\n{\"id\":5,\"prompt\":1,\"response_a\":\"\",\"response_b\":\"\"}\n"
      "{\"prompt\":\"\xff\"}\n{\"prompt\":\"\\ud800\"}\n{\"swap\":\"both\"," +
      kPair + "}\n{\"adapter\":1," + kPair + "}\n{\"id\":1,\"id\":2," + kPair + "}\n{" + kPair + "}\n");
  ASSERT_EQ(rows.size(), 10u);
  EXPECT_EQ(rows[0], "\"x\" ! response_a is missing");
  EXPECT_TRUE(rows[1].starts_with("2 ! line 2: not valid JSON")) << rows[1];
  EXPECT_EQ(rows[2], "3 ! line 3 is not a JSON object");
  EXPECT_TRUE(rows[3].starts_with("5 ! prompt: found number")) << rows[3];
  for (const std::size_t i : {4u, 5u, 8u})
    EXPECT_TRUE(rows[i].starts_with(std::to_string(i + 1) + " ! line")) << rows[i];
  EXPECT_EQ(rows[6], "7 ! swap is 'both', expected one of none, average");
  EXPECT_EQ(rows[7], "8 ! adapter is 1, expected a string");
  EXPECT_EQ(rows[9], "10 p|a|b");
}

TEST(JsonRows, KeepTheirIdBesideALoneSurrogate) {
  for (const char* text :
       {"\\ud800", "\\udfffx", "\\uD83D\\ude42\\uD83D", "\\\\\\udc00\\\"", "\\ud800\\u0041"})
    EXPECT_EQ(json_rows(std::string(R"({"id":"x\ud83d\ude42","prompt":")") + text + "\"}"),
              Rows({"\"x\U0001F642\" ! line 1 holds a lone surrogate, half of a UTF-16 pair"}));
  EXPECT_EQ(json_rows(R"({"id":7,"prompt":"\\ud800\ud83d\ude42","response_a":"a","response_b":"b"})"),
            Rows({"7 \\ud800\U0001F642|a|b"}));
}

TEST(JsonRows, KeepLineSeparatorsInsideStrings) {
  EXPECT_EQ(json_rows("{\"prompt\":\"a\u2028b\u0085\",\"response_a\":\"\\n\",\"response_b\":\"\\u0000\"}\n"),
            Rows({std::string("1 a\u2028b\u0085|\n|") + '\0'}));
}

TEST(JsonRows, KeepTheirNumbersAsWritten) {
  for (const char* id : {"1.0", "1e5", "-0", "0.10", "18446744073709551616", "12345678901234567890123"}) {
    EXPECT_EQ(json_rows(std::string("{\"x\":{\"id\":[2]},\"y\":\"\\\"id\\\":3\",") + kPair +
                        ",\"id\" : " + id + "}"),
              Rows({std::string(id) + " p|a|b"}));
    EXPECT_EQ(json_rows(std::string("{\"\\u0069d\":") + id + "\t," + kPair + "}"),
              Rows({std::string(id) + " p|a|b"}));
  }
}

TEST(JsonRows, OfTheArenaHaveOtherIds) {
  const std::string pair =
      R"("conversation_a":[{"role":"user","content":"p"},{"role":"assistant","content":"a"}],)"
      R"("conversation_b":[{"role":"user","content":"p"},{"role":"assistant","content":"b"}])";
  EXPECT_EQ(json_rows("{\"question_id\":\"q\"," + pair + "}\n{\"conversation_id\":1e5,\"question_id\":2," +
                      pair + "}\n{\"id\":3,\"question_id\":2," + pair + "}\n{" + pair +
                      "}\n{\"question_id\":2," + kPair + "}"),
            Rows({"\"q\" p|a|b", "1e5 p|a|b", "3 p|a|b", "4 p|a|b", "5 p|a|b"}));
}

TEST(JsonRows, MayHaveInvalidTextReplaced) {
  const TemporaryFile file(
      "{\"id\":1e5,\"prompt\":\"x\\ud83d\",\"response_a\":\"\xff\",\"response_b\":\"b\"}\n"
      "{\"prompt\":\"[\\\"\\\\ud83d\\\"]\",\"response_a\":\"[\\\"a\\\"]\",\"response_b\":"
      "\"[null]\"}\nno\n");
  EXPECT_EQ(read(file.path(), RowFormat::kAuto, InvalidText::kReplace),
            Rows({"1e5 x\uFFFD|\uFFFD|b", "2 \uFFFD|a|", "3 ! line 3: not valid JSON at byte 2"}));
}

TEST(JsonArrays, AreReadByElement) {
  const Rows rows =
      json_rows(" \n\n[\n {\"id\":7," + kPair + "},{\n" + kPair + "\n}\n, {\"prompt\":\"],}\\\"\\\\\"," +
                "\"response_a\":[\"a\"],\"response_b\":\"\"}, 5, {\"prompt\":1}, {\"a\":} ]\n \n");
  EXPECT_EQ(
      rows,
      Rows({"7 p|a|b", "2 p|a|b", "3 ],}\"\\|a|", "4 ! element 4 is not a JSON object",
            "5 ! prompt: found number, expected text, a list of texts or a list of {role, content} turns",
            "6 ! element 6: not valid JSON at byte 6"}));
  EXPECT_EQ(json_rows("[]"), Rows());
  const TemporaryFile packed(gzipped("[{" + kPair + "}]"), ".json.gz");
  EXPECT_EQ(read(packed.path(), RowFormat::kAuto), Rows({"1 p|a|b"}));
}

TEST(JsonArrays, SayWhereTheyBreak) {
  const std::string row = "{" + kPair + "}";
  const auto last = [](const std::string& text) { return json_rows(text).back(); };
  EXPECT_THAT(last("[" + row + ",\n" + row), testing::HasSubstr("ends within element 2 of its JSON array"));
  EXPECT_THAT(last("[" + row), testing::HasSubstr("ends within element 1"));
  EXPECT_THAT(last("["), testing::HasSubstr("ends within element 1"));
  EXPECT_THAT(last("[" + row + "]\n" + row), testing::HasSubstr("line 2 goes on behind the JSON array"));
  EXPECT_EQ(json_rows("[" + row + ",]"), Rows({"1 p|a|b", "2 ! element 2: not valid JSON at byte 1"}));
  EXPECT_EQ(place_of("x.json", 4, 0), "x.json:4");
  EXPECT_EQ(place_of("x.json", 4, 2), "x.json, element 2");
}

TEST(JsonArrays, OfManyBuffersAreWhole) {
  std::string text = "[";
  for (int i = 0; i < 3000; ++i)
    text.append(i == 0 ? "{\"id\":" : ",{\"id\":")
        .append(std::to_string(i))
        .append(",\"x\":\"")
        .append(std::string(static_cast<std::size_t>(i * 7 % 300), ']'))
        .append("\\\\\",")
        .append(kPair)
        .append("}");
  const Rows rows = json_rows(text + "]");
  ASSERT_EQ(rows.size(), 3000u);
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows[i], std::to_string(i) + " p|a|b");
}

TEST(JsonRows, OfATornGzipAreReadUpToTheTear) {
  std::string text;
  for (int i = 0; i < 5000; ++i)
    text.append("{\"id\":").append(std::to_string(i * 7919 % 5000)).append(",").append(kPair).append("}\n");
  const std::string whole = gzipped(text);
  const TemporaryFile file(whole.substr(0, whole.size() / 2), ".jsonl.gz");
  const Rows rows = read(file.path(), RowFormat::kAuto);
  ASSERT_GT(rows.size(), 1u);
  EXPECT_LT(rows.size(), 5000u);
  EXPECT_TRUE(rows.back().starts_with("!! " + file.path() + ": cannot read")) << rows.back();
  EXPECT_EQ(rows.front(), "0 p|a|b");
}

TEST(CsvRows, FindTheirColumnsByName) {
  EXPECT_EQ(csv_rows("response_b,x,prompt,response_a,id\nb,,p,a,7\n"), Rows({"\"7\" p|a|b"}));
  EXPECT_EQ(csv_rows("\uFEFF\"prompt\",\"response_a\",\"response_b\"\r\n\"p\",\"a\",\"b\"\r\n"),
            Rows({"2 p|a|b"}));
  EXPECT_EQ(csv_rows("prompt,response_a,response_b,adapter,swap\np,a,b,x,average\np,a,b,,\n"),
            Rows({"2 p|a|b adapter x swap average", "3 p|a|b"}));
}

Competition competition(const std::string& text, const std::string& ending) {
  const TemporaryFile file(text, ending);
  auto reader = RowReader::open(file.path(), RowFormat::kAuto);
  return (*reader->next())->row->competition;
}

TEST(Rows, TellTheirCompetition) {
  const std::string texts = "prompt,response_a,response_b";
  EXPECT_EQ(competition(texts + ",winner_model_a,winner_model_b,winner_tie\np,a,b,1,0,0\n", ".csv"),
            Competition::kLmsys);
  EXPECT_EQ(competition(texts + "\n\"[\"\"p\"\"]\",\"[\"\"a\"\"]\",\"[null]\"\n", ".csv"),
            Competition::kLmsys);
  EXPECT_EQ(competition(texts + ",winner\np,a,b,model_a\n", ".csv"), Competition::kWsdm);
  EXPECT_EQ(competition("{" + kPair + ",\"scored\":true}", ".jsonl"), Competition::kWsdm);
  EXPECT_EQ(competition(texts + "\np,a,b\n", ".csv"), Competition::kUnknown);
}

TEST(CsvRows, WithoutAColumnOfTextsNameWhatThereIs) {
  EXPECT_THAT(
      csv_rows("id;prompt;response_a;response_b\n1;p;a;b\n").front(),
      testing::HasSubstr("the first line has no column prompt, expected prompt, response_a, response_b or "
                         "chosen, rejected or conversation_a, conversation_b separated by commas; it has "
                         "'id;prompt;response_a;response_b'"));
}

TEST(CsvRows, CountTheLineWhereTheyBegin) {
  EXPECT_EQ(csv_rows("prompt,response_a,response_b,id\n\"p\n\nq\",a,\"b,\"\"\",\n\np,a,b\n\np,a,b,\n"),
            Rows({"2 p\n\nq|a|b,\"", "6 ! line 6 has 3 fields, the header has 4", "8 p|a|b"}));
}

TEST(CsvRows, MayHoldLmsysTurns) {
  EXPECT_EQ(csv_rows("id,prompt,response_a,response_b\n30,\"[\"\"u\\nx\"\",\"\"v\"\"]\",\"[\"\"a\"\",null]\","
                     "\"[\"\"b\"\",\"\"c\"\"]\"\n"),
            Rows({"\"30\" u\nx\n\nv|a\n\n|b\n\nc"}));
}

TEST(CsvRows, ThatAreBadDoNotEndTheRun) {
  EXPECT_EQ(
      csv_rows("id,prompt,response_a,response_b,swap\nx,p\ny,p,\xff,b,\nz,p,a,b,twice\n\xff,p,a,b,none\n"),
      Rows({"\"x\" ! line 2 has 2 fields, the header has 5", "\"y\" ! response_a is not valid UTF-8",
            "\"z\" ! swap is 'twice', expected one of none, average", "5 p|a|b swap none"}));
}

TEST(CsvRows, WithHalvesOfPairsInTheirListsAreBadOrMended) {
  const TemporaryFile file(
      "id,prompt,response_a,response_b\n"
      "1,\"[\"\"Hi \\ud83d there\"\"]\",\"[\"\"x\"\"]\",\"[\"\"y\"\"]\"\n"
      "2,\"[\"\"Hi\"\"]\",\"[\"\"x \\ud83d\\ude00\"\"]\",\"[\"\"y \\udc00\"\"]\"\n"
      "3,\"[\"\"Hi \\ud83d\"\"]\",x,y\n"
      "4,\"[{\"\"role\"\":\"\"user\"\",\"\"content\"\":\"\"\\ud83d\"\"}]\",x,y\n"
      "5,p,\xff,y\n",
      ".csv");
  const std::string half =
      ": its list holds a lone surrogate, half of a UTF-16 pair, expected whole characters";
  EXPECT_EQ(read(file.path(), RowFormat::kAuto),
            Rows({"\"1\" ! prompt" + half, "\"2\" ! response_b" + half, "\"3\" [\"Hi \\ud83d\"]|x|y",
                  "\"4\" ! prompt" + half, "\"5\" ! response_a is not valid UTF-8"}));
  EXPECT_EQ(read(file.path(), RowFormat::kAuto, InvalidText::kReplace),
            Rows({"\"1\" Hi \uFFFD there|x|y", "\"2\" Hi|x \U0001F600|y \uFFFD", "\"3\" [\"Hi \\ud83d\"]|x|y",
                  "\"4\" \uFFFD|x|y", "\"5\" p|\uFFFD|y"}));
}

TEST(CsvRows, MayHoldTurns) {
  EXPECT_EQ(csv_rows("messages,response_a,response_b\n"
                     "\" [ {\"\"role\"\":\"\"user\"\",\"\"content\"\":\"\"u\"\"}]\",a,b\n"
                     "\"[{\"\"x\"\":1}]\",a,b\n,a,b\n"),
            Rows({"2 u|a|b", "3 [{\"x\":1}]|a|b", "4 |a|b"}));
  const std::string turns =
      "\"[{\"\"role\"\":\"\"user\"\",\"\"content\"\":\"\"u\"\"},{\"\"role\"\":"
      "\"\"assistant\"\",\"\"content\"\":\"\"";
  EXPECT_EQ(csv_rows("question_id,conversation_a,conversation_b\nq," + turns + "a\"\"}]\"," + turns +
                     "b\"\"}]\"\nr," + turns + "a\"\"}]\",x\n"),
            Rows({"\"q\" u|a|b",
                  "\"r\" ! conversation_b: found string, expected a list of {role, content} turns"}));
}

TEST(CsvRows, HaveEachColumnOnce) {
  EXPECT_THAT(csv_rows("prompt,response_a,x,response_b,x\np,a,1,b,2\n").front(),
              testing::HasSubstr("the first line has the column 'x' twice, expected each once"));
  EXPECT_EQ(csv_rows("prompt,response_a,,response_b,\np,a,1,b,2\n"), Rows({"2 p|a|b"}));
}

TEST(TsvRows, AreSeparatedByTabs) {
  const std::string text = "id\tprompt\tresponse_a\tresponse_b\n1\tp,q\t\"a\t\"\"\nx\"\tb\r\n";
  for (const auto& [bytes, ending] : {std::pair{text, ".tsv"}, std::pair{gzipped(text), ".tsv.gz"},
                                      std::pair{zstd_frame(text), ".tsv.zst"}}) {
    const TemporaryFile file(bytes, ending);
    EXPECT_EQ(read(file.path(), RowFormat::kAuto), Rows({"\"1\" p,q|a\t\"\nx|b"}));
  }
  const TemporaryFile commas("prompt,response_a,response_b\n", ".tsv");
  EXPECT_THAT(read(commas.path(), RowFormat::kAuto).front(), testing::HasSubstr("separated by tabs; it has"));
}

TEST(CsvRows, NeedTheThreeColumns) {
  for (const char* text : {"", "\n", "prompt,response_a\np,a\n", "Prompt,response_a,response_b\n"}) {
    const Rows rows = csv_rows(text);
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_NE(rows[0].find("the first line has no column"), std::string::npos) << rows[0];
  }
}

TEST(CsvRows, WithAnOpenQuoteEndTheRun) {
  const Rows rows = csv_rows("prompt,response_a,response_b\np,a,b\np,\"a,b\n");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_NE(rows[1].find("line 3 is never closed"), std::string::npos) << rows[1];
}

TEST(RowFormats, AreKnownByTheEndingOrNamed) {
  const std::string text = "prompt,response_a,response_b\np,a,b\n";
  const TemporaryFile packed(gzipped(text), ".csv.gz");
  EXPECT_EQ(read(packed.path(), RowFormat::kAuto), Rows({"2 p|a|b"}));
  const TemporaryFile other(text, ".txt");
  EXPECT_EQ(read(other.path(), RowFormat::kCsv), Rows({"2 p|a|b"}));
  EXPECT_EQ(read(other.path(), RowFormat::kAuto).size(), 2u);
}

TEST(Rows, ReportTheirProgress) {
  const TemporaryFile file("{" + kPair + "}\n");
  auto reader = *RowReader::open(file.path(), RowFormat::kAuto);
  while (*reader.next()) continue;
  EXPECT_EQ(reader.progress(), 1.0);
}

}  // namespace
}  // namespace preferd::rows
