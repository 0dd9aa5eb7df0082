#include "rows/csv.h"

#include <ostream>
#include <random>
#include <sstream>

#include "tests/rows/temporary_file.h"

namespace preferd::rows {
namespace {

using Fields = std::vector<std::string>;
using Records = std::vector<Fields>;

// The error that ends them, or nothing.
std::string read_records(const std::string& bytes, Records& records) {
  const TemporaryFile file(bytes);
  auto reader = *LineReader::open(file.path());
  while (true) {
    auto record = next_record(reader);
    if (!record) return record.error().what;
    if (!*record) return {};
    records.push_back(**record);
  }
}

struct Case {
  const char* name;
  std::string text;
  Records records;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }
class CsvRecords : public testing::TestWithParam<Case> {};

TEST_P(CsvRecords, AreRead) {
  Records records;
  EXPECT_EQ(read_records(GetParam().text, records), "");
  EXPECT_EQ(records, GetParam().records);
}

INSTANTIATE_TEST_SUITE_P(
    All, CsvRecords,
    testing::Values(Case{"plain", "a,b\nc,d\n", {{"a", "b"}, {"c", "d"}}},
                    Case{"no_last_line_feed", "a,b", {{"a", "b"}}},
                    Case{"empty_fields", ",,\n", {{"", "", ""}}},
                    Case{"blank_line", "a\n\nb\n", {{"a"}, {""}, {"b"}}},
                    Case{"carriage_returns", "a,b\r\n\"c\",d\r\n", {{"a", "b"}, {"c", "d"}}},
                    Case{"carriage_return_last", "a,b\r", {{"a", "b"}}},
                    Case{"lone_carriage_return", "a\rb,c\n", {{"a\rb", "c"}}},
                    Case{"quoted", "\"a\",\"b,c\"\n", {{"a", "b,c"}}},
                    Case{"quoted_after_mark", "\uFEFF\"a\",b\n", {{"a", "b"}}},
                    Case{"quote", "\"a\"\"b\",\"\"\"\"\n", {{"a\"b", "\""}}},
                    Case{"quoted_quotes_at_both_ends", "\"\"\"a\"\"\"\n", {{"\"a\""}}},
                    Case{"empty_quoted", "\"\",\"\"\n", {{"", ""}}},
                    Case{"line_feed", "\"a\nb\n\n\",c\nd,e\n", {{"a\nb\n\n", "c"}, {"d", "e"}}},
                    Case{"carriage_return_line_feed", "\"a\r\nb\",c\r\n", {{"a\r\nb", "c"}}},
                    Case{"quote_then_line_feed", "\"a\"\"\n\"\"b\"\n", {{"a\"\n\"b"}}},
                    Case{"quote_inside_plain", "a\"b,c\"\n", {{"a\"b", "c\""}}},
                    Case{"spaces_stay", " a , \"b\"\n", {{" a ", " \"b\""}}},
                    Case{"text_after_quotes", "\"a\"b,c\n", {{"ab", "c"}}}));

TEST(Csv, AnOpenQuoteIsAnErrorThatNamesItsLine) {
  Records records;
  EXPECT_NE(read_records("a,b\nc,\"d\n\ne\n", records).find("line 2 is never closed"), std::string::npos);
  EXPECT_EQ(records, Records({{"a", "b"}}));
}

TEST(Csv, WhatIsWrittenIsRead) {
  std::mt19937 random(3);
  constexpr std::string_view kAlphabet = "a,\"\r\n; é";
  std::ostringstream text;
  Records written;
  for (int i = 0; i < 300; ++i) {
    Fields fields(1 + random() % 4);
    for (std::string& field : fields)
      for (std::size_t n = random() % 6; n > 0; --n) field += kAlphabet[random() % kAlphabet.size()];
    for (std::size_t f = 0; f < fields.size(); ++f) text << (f == 0 ? "" : ",") << csv_field(fields[f]);
    text << (i % 2 == 0 ? "\n" : "\r\n");
    written.push_back(fields);
  }
  Records records;
  EXPECT_EQ(read_records(text.str(), records), "");
  EXPECT_EQ(records, written);
}

}  // namespace
}  // namespace preferd::rows
