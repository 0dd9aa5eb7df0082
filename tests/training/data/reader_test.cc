#include "training/data/reader.h"

#include <random>

#include "tests/rows/temporary_file.h"
#include "tests/training/data/work_folder.h"

namespace preferd::training {
namespace {

using testing::HasSubstr;

std::vector<ExampleRead> read(const std::string& path, Labels labels = Labels::kAuto) {
  auto reader = ExampleReader::open(path, [labels](const std::string&) { return labels; });
  EXPECT_TRUE(reader) << reader.error().what;
  std::vector<ExampleRead> out;
  for (auto next = (*reader)->next(); next && *next; next = (*reader)->next())
    out.push_back(std::move(**next));
  return out;
}

ExampleRead only(const std::string& label, Labels labels = Labels::kAuto) {
  const WorkFolder folder;
  const auto rows = read(folder.write("x.jsonl", row("1", "p", "a", "b", label)), labels);
  EXPECT_EQ(rows.size(), 1u);
  return rows.at(0);
}

ExampleRead cell(const std::string& columns, const std::string& cells) {
  const WorkFolder folder;
  const auto rows =
      read(folder.write("x.csv", "prompt,response_a,response_b," + columns + "\np,a,b," + cells + "\n"));
  EXPECT_EQ(rows.size(), 1u);
  return rows.at(0);
}

TEST(Labels, OfEachForm) {
  EXPECT_EQ(only(won("model_a")).example.target, Target({1, 0, 0}));
  EXPECT_EQ(only(won("model_b")).example.target, Target({0, 1, 0}));
  EXPECT_EQ(only(won("tie")).example.target, Target({0, 0, 1}));
  for (const char* tie : {"tie (bothbad)", "both_bad", "bothbad"})
    EXPECT_EQ(only(won(tie)).example.target, Target({0, 0, 1})) << tie;
  EXPECT_EQ(only(R"("p_b":0.25)").example.target, Target({.75, .25, 0}));
  EXPECT_EQ(only(R"("p_b":0.25,"p_tie":0.5)").example.target, Target({.25, .25, .5}));
  EXPECT_EQ(only(R"("p_b":1)").example.target, Target({0, 1, 0}));
  EXPECT_EQ(only(R"("winner_model_a":0,"winner_model_b":0,"winner_tie":1)").example.target,
            Target({0, 0, 1}));
  EXPECT_EQ(only(R"("winner_model_a":true,"winner_model_b":false)").example.target, Target({1, 0, 0}));
  EXPECT_EQ(cell("winner_model_a,winner_model_b,winner_tie", "0,1,0").example.target, Target({0, 1, 0}));
  EXPECT_EQ(cell("winner_model_a,winner_model_b,winner_tie", "0.0,1.0,0.0").example.target,
            Target({0, 1, 0}));
  EXPECT_EQ(cell("p_b,p_tie", "0.5,").example.target, Target({.5, .5, 0}));
  EXPECT_EQ(cell("winner,p_b", "model_b,").example.target, Target({0, 1, 0}));
}

TEST(Labels, OfASourceThatSaysWhich) {
  const std::string both = won("model_a") + R"(,"p_b":0.25)";
  EXPECT_THAT(only(both).fault, HasSubstr("labels of several kinds"));
  EXPECT_EQ(only(both, Labels::kSoft).example.target, Target({.75, .25, 0}));
  EXPECT_EQ(only(both, Labels::kWinner).example.target, Target({1, 0, 0}));
  EXPECT_THAT(only(both, Labels::kOneHot).fault, HasSubstr("winner_model_a is missing"));
  EXPECT_EQ(only("", Labels::kTeacher).example.target, Target({0, 0, 0}));
  EXPECT_EQ(only("", Labels::kTeacher).fault, "");
}

TEST(Labels, ThatAreBadNameFileLineAndFound) {
  const std::pair<const char*, const char*> cases[] = {
      {"", ":1: no label"},
      {R"("winner":null)", ":1: no label"},
      {R"("winner":"Model_A")", "winner is \"Model_A\", expected model_a"},
      {R"("winner":"")", "winner is \"\""},
      {R"("winner":1)", "winner is 1"},
      {R"("winner":["model_a"])", "winner is array"},
      {R"("winner":"a\nb")", "winner is \"a b\""},
      {R"("p_b":1.5)", "p_b is 1.5, expected a number from 0 to 1"},
      {R"("p_b":-1e-9)", "p_b is"},
      {R"("p_b":"x")", "p_b is \"x\""},
      {R"("p_b":{})", "p_b is object"},
      {R"("p_tie":0.5)", "p_b is missing"},
      {R"("p_b":0.75,"p_tie":0.5)", "p_b and p_tie are 0.75 and 0.5"},
      {R"("winner_model_a":1,"winner_model_b":1,"winner_tie":0)", "2 of winner_model_a"},
      {R"("winner_model_a":0,"winner_model_b":0)", "0 of winner_model_a"},
      {R"("winner_model_a":1)", "winner_model_b is missing"},
      {R"("winner_model_a":2,"winner_model_b":0)", "winner_model_a is 2, expected 0 or 1"},
      {R"("winner_tie":1)", "winner_model_a is missing"},
      {R"("winner":"model_a","winner_tie":0)", "labels of several kinds"},
      {R"("winner":"model_a","language":{})", "language: found object"},
      {R"("winner":"model_a","model_a":["x"])", "model_a: found array"},
  };
  for (const auto& [label, words] : cases) {
    const std::string fault = only(label).fault;
    EXPECT_THAT(fault, HasSubstr(words)) << label;
    EXPECT_THAT(fault, HasSubstr("x.jsonl:1: ")) << label;
    EXPECT_EQ(fault.find('\n'), std::string::npos);
  }
  EXPECT_THAT(only(won(std::string(5000, 'x'))).fault, HasSubstr("xxx...\", expected"));
  EXPECT_LT(only(won(std::string(5000, 'x'))).fault.size(), 300u);
  EXPECT_THAT(only(joined({won("tie"), ",\"source\":\"", std::string(257, 'x'), "\""})).fault,
              HasSubstr("source has 257 bytes"));
  EXPECT_THAT(cell("p_b", "nan").fault, HasSubstr("p_b is \"nan\""));
  EXPECT_THAT(cell("p_b", "inf").fault, HasSubstr("p_b is \"inf\""));
  EXPECT_THAT(cell("p_b", " 0.5").fault, HasSubstr("p_b is \" 0.5\""));
  EXPECT_THAT(cell("winner", "\xff").fault, HasSubstr("winner is \"\uFFFD\""));
  EXPECT_THAT(cell("winner,language", "tie,\xff").fault, HasSubstr("language is not valid UTF-8"));
}

TEST(ExampleReader, TakesPromptChosenRejected) {
  const WorkFolder folder;
  const auto lines = read(
      folder.write("x.jsonl",
                   "{\"id\":\"x\",\"prompt\":\"p\",\"chosen\":\"good\",\"rejected\":\"bad\"}\n"
                   "{\"prompt\":\"p\",\"chosen\":\"good\",\"rejected\":\"bad\",\"winner\":\"model_a\"}\n"));
  const auto cells = read(folder.write("x.csv", "rejected,prompt,id,chosen\nbad,p,x,good\n"));
  ASSERT_EQ(lines.size(), 2u);
  ASSERT_EQ(cells.size(), 1u);
  for (const ExampleRead& r : {lines[0], cells[0]}) {
    EXPECT_EQ(r.fault, "");
    EXPECT_EQ(r.example.id, "\"x\"");
    const bool a = r.example.pair.response_a == "good";
    EXPECT_EQ(r.example.target, a ? Target({1, 0, 0}) : Target({0, 1, 0}));
    EXPECT_EQ(a ? r.example.pair.response_b : r.example.pair.response_a, "bad");
  }
  EXPECT_EQ(lines[0].example.pair.response_a, cells[0].example.pair.response_a);
  EXPECT_THAT(lines[1].fault, HasSubstr("x.jsonl:2: winner stands beside chosen"));
}

TEST(ExampleReader, TakesOtherFormsAndNamesElements) {
  const WorkFolder folder;
  const auto side = [](const std::string& answer) {
    return R"([{"role":"user","content":"p"},{"role":"assistant","content":")" + answer + "\"}]";
  };
  const auto rows =
      read(folder.write("x.json", R"([{"conversation_a":)" + side("a") + R"(,"conversation_b":)" + side("b") +
                                      R"(,"winner":"both_bad","question_id":"q"},{}])"));
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].fault, "");
  EXPECT_EQ(rows[0].example.id, "\"q\"");
  EXPECT_EQ(rows[0].example.pair.response_b, "b");
  EXPECT_EQ(rows[0].example.target, Target({0, 0, 1}));
  EXPECT_THAT(rows[1].fault, testing::EndsWith("x.json, element 2: prompt is missing"));
}

TEST(ExampleReader, TakesTheKaggleForm) {
  const auto rows = read(kSamples + "kaggle.csv.gz");
  ASSERT_EQ(rows.size(), 8u);
  for (const ExampleRead& r : rows) {
    EXPECT_EQ(r.fault, "");
    EXPECT_THAT(r.example.pair.prompt, HasSubstr("\n\n"));
    EXPECT_EQ(r.example.pair.prompt.find("[\""), std::string::npos);
    EXPECT_EQ(r.example.target[0] + r.example.target[1] + r.example.target[2], 1);
    EXPECT_FALSE(r.example.model_a.empty());
    EXPECT_EQ(r.example.source, "kaggle");
  }
  EXPECT_EQ(rows[1].example.id, "\"1611012745\"");
  const WorkFolder folder;
  const auto nulls = read(folder.write(
      "wsdm.csv",
      "id,prompt,response_a,response_b,winner,model_a,model_b,language\n"
      "7,\"[\"\"p\"\", null]\",\"[null, \"\"x\"\"]\",\"[\"\"y\"\", null]\",model_b,m1,m2,German\n"
      "8,\"two\nlines\",\"a\",\"\",model_a,m1,m2,English\n"));
  ASSERT_EQ(nulls.size(), 2u);
  EXPECT_EQ(nulls[0].example.pair.prompt, "p\n\n");
  EXPECT_EQ(nulls[0].example.pair.response_a, "\n\nx");
  EXPECT_EQ(nulls[0].example.language, "German");
  EXPECT_EQ(nulls[1].example.pair.response_b, "");
  EXPECT_EQ(nulls[1].example.line, 3u);
}

TEST(ExampleReader, NamesTheSourceOfRowsWithoutOne) {
  const WorkFolder folder;
  const std::string plain = row("1", "p", "a", "b", won("tie"));
  EXPECT_EQ(read(folder.write("votes.2024.jsonl", plain)).at(0).example.source, "votes.2024");
  EXPECT_EQ(read(folder.write("votes.jsonl.gz", rows::gzipped(plain))).at(0).example.source, "votes");
  const std::string own = row("1", "p", "a", "b", won("tie") + R"(,"source":"s","model_a":7)");
  EXPECT_EQ(read(folder.write("x.jsonl", own)).at(0).example.source, "s");
  EXPECT_EQ(read(folder.write("x.jsonl", own)).at(0).example.model_a, "7");
}

TEST(ExampleReader, RefusesParquetWithTheLineThatConvertsIt) {
  const WorkFolder folder;
  const auto rule = [](const std::string&) { return Labels::kAuto; };
  const auto named = ExampleReader::open(folder.write("x.parquet", "PAR1"), rule);
  ASSERT_FALSE(named);
  EXPECT_THAT(named.error().what, HasSubstr("to_json('" + folder.path("x.jsonl") + "', orient='records'"));
  auto hidden = ExampleReader::open(folder.write("x.jsonl", "PAR1\x15\x04\n"), rule);
  ASSERT_TRUE(hidden);
  EXPECT_THAT((*hidden)->next().error().what, HasSubstr("is Parquet"));
}

// Whatever the bytes, each row is either whole and labelled or has a fault, and reading ends.
TEST(ExampleReader, SurvivesHostileRows) {
  const WorkFolder folder;
  std::minstd_rand engine(7);
  const auto random = [&engine] { return static_cast<unsigned>(engine() >> 4); };
  const std::string good =
      row("x\\u00e9", "[\\\"p\\\"]", "a\\n", "\\ud83d\\ude00", R"("p_b":0.5,"p_tie":1e-3)");
  const std::string csv =
      "id,prompt,response_a,response_b,winner_model_a,winner_model_b,winner_tie\n"
      "1,\"[\"\"p\"\"]\",\"[null]\",\"[\"\"b\"\"]\",0,0,1\n";
  const auto damaged = [&](std::string_view text) {
    std::vector<char> out;
    for (int r = 0; r < 20; ++r) {
      std::vector<char> line(text.begin(), text.end());
      for (unsigned n = random() % 6; n > 0 && !line.empty(); --n) {
        const auto at = line.begin() + static_cast<std::ptrdiff_t>(random() % line.size());
        switch (random() % 4) {
          case 0: *at = static_cast<char>(random() % 256); break;
          case 1: line.erase(at, at + std::min<std::ptrdiff_t>(line.end() - at, 1 + random() % 9)); break;
          case 2: out.insert(out.end(), line.begin(), at); break;
          default: line.insert(at, "\"{}[],:\\0e\n\r"[random() % 12]);
        }
      }
      out.insert(out.end(), line.begin(), line.end());
    }
    return std::string(out.begin(), out.end());
  };
  for (int file = 0; file < 300; ++file) {
    const bool is_csv = file % 2 == 1;
    const std::string bytes =
        is_csv ? joined({csv, damaged(std::string_view(csv).substr(csv.find('\n') + 1))}) : damaged(good);
    for (const ExampleRead& r : read(folder.write(is_csv ? "f.csv" : "f.jsonl", bytes))) {
      const Target& t = r.example.target;
      if (r.fault.empty())
        EXPECT_NEAR(t[0] + t[1] + t[2], 1, 1e-12);
      else
        EXPECT_THAT(r.fault, testing::StartsWith(folder.path("f.")));
      EXPECT_EQ(r.fault.find('\n'), std::string::npos) << r.fault;
    }
  }
}

}  // namespace
}  // namespace preferd::training
